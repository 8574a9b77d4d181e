"""Data sets as one table each: a row a case, with its patient, site, label, spacing and where its image lies.

table.py   the schema and its check; open lazily, write
"""
