"""The console tells the state of every image; it reports, and never makes an outcome.

track.py      reads the topics into a database, each record once
feed.py       batches out of a stream of records
tables.py     the database: events as they came, and the receptions that they tell of
reception.py  what all events of one image say of it, in whatever order they came
query.py      what people ask of the tables, `overdue` among it
measure.py    the tables' figures, for Prometheus
api.py        the questions over HTTP, as JSON
commands.py   `osteon track`
settings.py   settings of the service
__main__.py   the service
"""
