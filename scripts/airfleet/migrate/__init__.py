"""`airfleet migrate-values`: values of the official Apache Airflow chart become values of this one.

files.py      values files with the line of every key, merged as `helm -f a -f b` merges them
official.py   what the official chart's keys are, and their defaults (official.json: versions 1.15 to 1.22)
target.py     what this chart's keys and defaults are
migration.py  the state of one conversion, and the small actions that rules are made of
rules/        key of the official chart -> action; one module for each kind of key
secrets.py    commands that keep existing keys and passwords without showing them
convert.py    files -> Conversion: values, one finding for each key, commands, notes
emit.py       Conversion -> commented values.yaml
report.py     Conversion -> text, Markdown, JSON
fleet.py      files of many clusters -> base, env, region and cluster layers that resolve to the same
"""
