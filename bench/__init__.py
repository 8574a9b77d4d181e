"""What the path costs, as ratios in one run: `make bench`.

radiographs.py   the fixed input: 3 megapixels, 16 bits, uncompressed and JPEG 2000
bare.py          the limit: the same models on the same cores, without a path around them
path.py          the whole path, from DICOM to result
__main__.py      the rows, as a table and in bench/latest.json
"""
