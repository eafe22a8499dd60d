"""The workbook as a book: a static site from committed notebooks, results and docs. Nothing runs.

`python -m book build/book` builds it, `python -m book.check build/book` checks it.
"""
