"""Data sets as one table each: a row a case, with its patient, site, label, spacing and where its image lies.

table.py     the schema and its check; open lazily, write
split.py     who trains and who tests: by patient, by whole sites, in time; with a digest
nodes.py     72 sites into 3 to 6 nodes: even, skewed, by vendor
problem.py   what is wrong with a data set, with file, line and way out
picture.py   one file: its size, spacing, hashes and pixels, whatever it claims
measure.py   every file of a table once, in parallel
tabular.py   anybody's table: CSV however it was saved, Excel, SAS, SPSS, Stata
column_map.py   which of its columns means what
readers/     one data set a file
"""
