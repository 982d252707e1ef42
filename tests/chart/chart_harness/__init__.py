"""What the chart's tests are made of.

render.py     real `helm template`, each distinct input once -> Rendered
objects.py    Rendered: the objects of a release, and every pod among them, the executor's pod templates included
strict.py     Kubernetes' own schemas, unknown keys refused
rules/        what must hold for every release whatever its values: one function each, in one registry
network.py    who may reach whom, computed from the rendered NetworkPolicies
sizes.py      how large and how repetitive the chart is
scenarios.py  the releases that the rules are checked on
strategies.py random values that the schema allows
"""
