import sys

# nbformat checks notebooks by jsonschema. That imports this, where it is there, to check
# international addresses, of which a notebook has none. The import takes two seconds.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
