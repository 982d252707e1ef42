"""Many clusters become layers, and every cluster keeps its values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airfleet.errors import AirfleetError, InvalidError, UsageError
from airfleet.helm import template
from airfleet.migrate import fleet
from airfleet.migrate.fleet import Cluster, factor, read_fleet, write_layers

FILES: dict[str, dict[str, Any]] = {
    "prod-eu-a": {
        "image": {"tag": "1"},
        "scheduler": {"replicas": 3},
        "pod": {"labels": {"region": "eu", "only": "a"}},
    },
    "prod-eu-b": {"image": {"tag": "1"}, "scheduler": {"replicas": 3}, "pod": {"labels": {"region": "eu"}}},
    "prod-us-c": {
        "image": {"tag": "1"},
        "scheduler": {"replicas": 3},
        "pod": {"labels": {"region": "us"}, "tolerations": []},
    },
    "test-us-d": {
        "image": {"tag": "1"},
        "scheduler": {"replicas": 1},
        "pod": {"labels": {"region": "us"}, "tolerations": None},
    },
}


def written(folder: Path) -> Path:
    for name, values in FILES.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return folder


def test_each_value_is_in_the_widest_layer_that_has_it(tmp_path: Path) -> None:
    layers = read_fleet(written(tmp_path), "{env}-{region}-{cluster}.yaml").layers
    assert {str(path): values for path, values in layers.items()} == {
        "base.yaml": {"image": {"tag": "1"}},
        "env/prod.yaml": {"scheduler": {"replicas": 3}},
        "env/test.yaml": {"scheduler": {"replicas": 1}, "pod": {"labels": {"region": "us"}, "tolerations": None}},
        "region/eu.yaml": {"pod": {"labels": {"region": "eu"}}},
        "region/us.yaml": {"pod": {"labels": {"region": "us"}}},
        "clusters/a.yaml": {"pod": {"labels": {"only": "a"}}},
        "clusters/c.yaml": {"pod": {"tolerations": []}},
    }


def test_helm_renders_the_same_from_the_layers(tmp_path: Path) -> None:
    from airfleet.paths import project_root

    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    values = {
        "prod-eu": {"scheduler": {"replicas": 2, "nodeSelector": {"a": "1"}}, "config": {"core": {"parallelism": 64}}},
        "prod-us": {"scheduler": {"replicas": 2}, "config": {"core": {"parallelism": 64, "auth_manager": None}}},
        "test-eu": {"scheduler": {"resources": {"limits": {"memory": None}}}, "config": {"core": {"parallelism": 8}}},
    }
    for name, one in values.items():
        (source / f"{name}.yaml").write_text(yaml.safe_dump(one))
    layers = read_fleet(source, "{cluster}.yaml")
    write_layers(layers, out)
    for name in values:
        kwargs = {"release": "airflow", "namespace": "airflow"}
        whole = template(project_root() / "chart", values=[source / f"{name}.yaml"], **kwargs)
        layered = template(project_root() / "chart", values=[out / path for path in layers.files(name)], **kwargs)
        assert whole == layered


def test_folders_can_be_axes_too(tmp_path: Path) -> None:
    for name, tag in (("prod/eu/one", "1"), ("prod/us/two", "2")):
        file = tmp_path / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(f"image: {{tag: '{tag}'}}\n")
    layers = read_fleet(tmp_path, "{env}/{region}/{cluster}.yaml")
    assert sorted(map(str, layers.layers)) == ["region/eu.yaml", "region/us.yaml"]
    assert layers.resolved("two") == {"image": {"tag": "2"}}


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["a", "1", ""]), st.just([]), st.just({})
)
values = st.recursive(
    st.dictionaries(st.sampled_from("abc"), scalars, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(scalars, inner), max_size=3),
    max_leaves=6,
)
places = st.tuples(st.sampled_from(["prod", "test"]), st.sampled_from(["eu", "us"]))


@given(st.lists(st.tuples(places, values), min_size=1, max_size=5))
def test_any_clusters_keep_their_values_and_no_layer_overrides_another(found: Any) -> None:
    clusters = {
        f"c{n}": Cluster(f"c{n}", {"env": env, "region": region, "cluster": f"c{n}"}, Path("x"), one)
        for n, ((env, region), one) in enumerate(found)
    }
    layers = factor(clusters)
    for name, cluster in clusters.items():
        assert json.dumps(layers.resolved(name), sort_keys=True) == json.dumps(cluster.values, sort_keys=True)
        seen: dict[Any, Any] = {}
        for path in layers.files(name):
            for leaf, value in fleet._leaves(layers.layers[path], ()):
                assert seen.setdefault(leaf, value) == value


def test_nothing_is_written_over_and_a_changed_cluster_stops_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = read_fleet(written(tmp_path), "{env}-{region}-{cluster}.yaml")
    write_layers(layers, tmp_path / "out")
    with pytest.raises(AirfleetError, match="in the way"):
        write_layers(layers, tmp_path / "out")
    monkeypatch.setattr(fleet, "_agree", lambda *_: True)  # a factoring that loses what differs
    with pytest.raises((AirfleetError, KeyError)):
        read_fleet(tmp_path, "{env}-{region}-{cluster}.yaml")


def test_file_names_and_patterns_that_do_not_fit(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "odd.yaml").write_text("{}\n")
    with pytest.raises(InvalidError) as caught:
        read_fleet(tmp_path, "{env}-{region}-{cluster}.yaml")
    assert "odd.yaml does not have the form" in caught.value.why
    for pattern in ("{env}.yaml", "{cluster}-{zone}.yaml", "{cluster}{cluster}.yaml"):
        with pytest.raises(UsageError):
            read_fleet(tmp_path, pattern)
