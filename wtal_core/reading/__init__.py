"""One checked way to read each format: text, CSV, JSON, YAML, .npy, .npz, pickles, Parquet.

Depth, size and memory are bounded before anything is built, and whatever a library raises becomes
one WorkbookError of one line with the file, the place and the remedy. What was read is then looked
at through `values`, which says what of it is no name, no number, no list.
"""
