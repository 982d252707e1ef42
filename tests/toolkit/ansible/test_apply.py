"""The playbook apply: the real Ansible and the real airfleet, in front of clusters that are folders."""

from __future__ import annotations

import signal

from lab_harness.folder_fleet import ENVS, Place
from lab_harness.release import until


def every(verdict: str) -> dict[str, str]:
    return dict.fromkeys(ENVS, verdict)


def test_check_mode_writes_nothing_then_waves_then_there_is_nothing_to_do(place: Place) -> None:
    done = place.play("apply", "--check")
    assert (done.code, done.verdicts) == (0, every("changed")), done.text
    assert place.messages == every("")
    assert "added ConfigMap/tiny" in done.told
    done = place.play("apply")
    assert (done.code, done.verdicts) == (0, every("changed")), done.text
    assert place.messages == every("one 1")
    log = place.log
    assert log[:2] == ["writes a", "looks at a"]
    assert sorted(log[2:-2]) == ["looks at b-1", "looks at b-2", "writes b-1", "writes b-2"]
    assert log[-2:] == ["writes c", "looks at c"]
    assert done.text.count("PLAY [Bring") == 3
    done = place.play("apply")
    assert (done.code, done.verdicts, place.log) == (0, every("ok"), log), done.text
    assert place.ansible.kept == []


def test_check_mode_after_an_edit_says_where_it_changes_something(place: Place) -> None:
    place.installed()
    place.say("two", "env/b.yaml")
    before = place.messages, place.log
    done = place.play("apply", "--check")
    assert (done.code, done.verdicts) == (0, {**every("ok"), "b-1": "changed", "b-2": "changed"}), done.text
    assert "changed ConfigMap/tiny: data.message" in done.told
    assert (place.messages, place.log) == before
    assert place.ansible.kept == []


def test_a_wave_that_failed_stops_the_next_ones_and_the_same_call_goes_on(place: Place) -> None:
    place.installed()
    place.say("two")
    place.fault("b-1", "sick")
    done = place.play("apply")
    assert (done.code, done.verdicts) == (2, {"a": "changed", "b-1": "failed", "b-2": "changed", "c": "untouched"})
    assert "error: b-1 did not pass the gate rollout in 0 s" in done.told
    assert "wave second stops: b-1 failed, 0 may" in done.told
    assert place.messages == {"a": "two 2", "b-1": "two 2", "b-2": "two 2", "c": "one 1"}
    assert place.ansible.kept == ["b-1"]
    # Nothing has to be written any more, but the plan is not carried out: its gate was never passed.
    done = place.play("apply", "--check", "--limit", "wave_second")
    assert (done.code, done.verdicts) == (0, {"b-1": "changed", "b-2": "ok"}), done.text
    assert place.ansible.kept == ["b-1"]
    place.fault("b-1", "sick", there=False)
    done = place.play("apply")
    assert (done.code, done.verdicts) == (0, {"a": "ok", "b-1": "changed", "b-2": "ok", "c": "changed"}), done.text
    assert place.messages == every("two 2")
    assert place.ansible.kept == []


def test_a_wave_goes_on_while_no_more_failed_than_may(place: Place) -> None:
    """Even if the whole batch failed, which Ansible by itself would stop at."""
    place.waves(second={"batch": "1", "maxFailures": 1, "soak": "1s"})
    place.fault("b-1", "gone")
    done = place.play("apply", "-v")
    assert (done.code, done.verdicts) == (2, {**every("changed"), "b-1": "failed"}), done.text
    assert done.text.count("PLAY [Bring") == 4
    assert "wave second soaks for 1 s" in done.told
    assert "error: could not read the namespace kube-system" in done.told
    assert [line for line in place.log if line.startswith("writes")] == ["writes a", "writes b-2", "writes c"]


def test_a_plan_that_was_left_gives_way_where_it_does_not_hold_any_more(place: Place) -> None:
    place.installed()
    place.say("two", "env/b.yaml")
    place.fault("b-1", "sick")
    place.fault("b-2", "sick")
    assert place.play("apply", "--limit", "wave_second").verdicts == {"b-1": "failed", "b-2": "failed"}
    assert place.ansible.kept == ["b-1", "b-2"]
    place.fault("b-1", "sick", there=False)
    place.fault("b-2", "sick", there=False)
    # Somebody else has written the same by another plan; on the other cluster, the files are other ones.
    place.airfleet("rollback", "b-1")
    place.airfleet("plan", "-l", "name=b-1", "--output", str(place.folder / "theirs.json"))
    place.airfleet("apply", str(place.folder / "theirs.json"))
    place.write("clusters/b-2.yaml", place.cluster("b-2") | {"values": {"message": "three"}})
    done = place.play("apply", "--limit", "wave_second")
    assert (done.code, done.verdicts) == (0, {"b-1": "ok", "b-2": "changed"}), done.text
    assert place.messages == {"a": "one 1", "b-1": "two 4", "b-2": "three 3", "c": "one 1"}
    assert place.ansible.kept == []


def test_an_interrupted_run_is_gone_on_with(place: Place) -> None:
    place.waves(first={"gates": {"rollout": "1h"}})
    place.fault("a", "sick")
    running = place.start("apply")
    try:
        until("the gate", lambda: "looks at a" in place.log)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode != 0
    until("airfleet's end", lambda: '"stopped"' in place.ansible.journal("a"))
    assert place.ansible.kept == ["a"]
    place.fault("a", "sick", there=False)
    done = place.play("apply", "--limit", "a")
    assert (done.code, done.verdicts, place.messages["a"]) == (0, {"a": "changed"}, "one 1"), done.text
    assert place.ansible.kept == []


def test_a_program_that_is_not_there_is_no_change(place: Place) -> None:
    """Its exit code is that of `airfleet plan` where there is something to do. As in a play of one's own, it fails at
    once."""
    more = '{"airfleet_cluster_command": ["no-such-program"], "airfleet_cluster_fails": true}'
    done = place.play("apply", "--check", "--limit", "a", "-e", more)
    assert (done.code, done.verdicts) == (2, {"a": "failed"}), done.text
    assert "No such file or directory" in done.told
    assert "PLAY [Fail" not in done.text
