"""The core of the WTAL Workbook: weakly supervised temporal action localization, from features to
tables.
"""
