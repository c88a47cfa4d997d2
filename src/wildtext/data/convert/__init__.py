"""Published data sets whose labels come in a form of their own.

Each module knows one release. It opens the files as they were published, as a `LabelledSource` that is named after them
and whose errors name file and line, and `wildtext.data.pack.pack` writes that into an LMDB. So every data set gets the
same checks, reports and resumption; its command stands in `wildtext.cli.data`.
"""
