"""Data sets as one table each: a row a case, with its patient, site, label, spacing and where its image lies.

table.py        the schema and its check; open lazily, write
split.py        who trains and who tests: by patient, by whole sites, in time; with a digest
nodes.py        72 sites into 3 to 6 nodes: even, skewed, by vendor
readers/        one data set a file: from its folder to a table
tabular.py      anybody's table: CSV however it was saved, Excel, SAS, SPSS, Stata
words.py        the words of tables in three languages: columns, sides, views, labels
values.py       what stands in its cells: days, lengths, text
identifying.py  columns that name a person
column_map.py   which of its columns means what
boxes.py        boxes that came with the images
picture.py      one file: its size, spacing, hashes and pixels, whatever it claims
measure.py      every file of a table once, in parallel
pseudonyms.py   names that say nothing, by a key that stays with who has it
take_in.py      a researcher's folder becomes a cohort: `osteon cohort import`
problem.py      what is wrong with a data set, with file, line and way out
check.py        all that is wrong, never stopping at the first
knows.py        variables that know the outcome
register.py     variables from long dated tables, in windows before the index date
show.py         counts by site, label, size and time, printed and drawn
stored_bytes.py  the content of an image, in a folder or in the site's store
prepare.py      aligned, deduplicated 16-bit crops in shards
send.py         files into a running Osteon by C-STORE or STOW-RS
progress.py     the bar of long work
commands/       `osteon cohort …`
register_commands.py  `osteon register build`
"""
