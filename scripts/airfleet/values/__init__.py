"""chart/values.yaml is the one source of the chart's values: its schema and its reference are generated from it.

rules.py    the `# @schema` lines of one key
model.py    ValuesFile: keys, definitions, sections
source.py   values.yaml with its comments -> ValuesFile, or every mistake in it at once (check.py)
schema.py   ValuesFile -> values.schema.json
reference.py ValuesFile -> docs/reference/values.md
lint.py     ValuesFile and the templates -> keys that no template uses, and uses that no key documents
"""
