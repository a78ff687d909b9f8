"""Every scenario by name, in the order of the table."""

import signal

from ops.chaos import cable, disk, pgbouncer, rabbit
from ops.chaos.points import POINTS
from ops.chaos.scenario import Scenario
from ops.chaos.scenarios import (
    broker,
    clock,
    crashes,
    evidence,
    handed_in,
    hosts,
    mixed,
    people,
    postgres,
    provider,
    ranges,
    restores,
    told,
)

_IN_WINDOW: dict[str, object] = {"window": "08:00-22:00"}
_TOLD = {"WEBHOOK_ALLOW": "127.0.0.0/8"}
_NO_REJECTS: dict[str, object] = {"mix": {}}  # else numbers are rejected, and left out of the next campaign

WHOLE_WORKER = ("after_claim", "before_post", "half_body", "answer_unread", "before_finish", "inside_settle")
"""Where not one pool process is killed but the worker with all of them."""

SCENARIOS: dict[str, Scenario] = {
    **{f"die-{point.replace('_', '-')}": Scenario(crashes.die_at(point)) for point in POINTS if point != "inside_load"},
    **{
        f"group-{point.replace('_', '-')}": Scenario(crashes.die_at(point, times=2, action="kill_group"))
        for point in WHOLE_WORKER
    },
    "kill-pool": Scenario(crashes.kill_pool),
    "kill-everything": Scenario(crashes.kill_everything),
    "kill-beat": Scenario(crashes.kill_beat),
    "two-beats": Scenario(crashes.two_beats),
    "stand-still": Scenario(crashes.stand_still),
    "sigterm": Scenario(crashes.stop_gently(signal.SIGTERM)),
    "sigquit": Scenario(crashes.stop_gently(signal.SIGQUIT)),
    **{f"post-{fault}": Scenario(provider.bad_answers(fault)) for fault in provider.BULK},
    "all-kinds": Scenario(provider.all_kinds, {"MAX_RESENDS": "10"}, patience=150),
    "refused": Scenario(provider.refused),
    "connect-timeout": Scenario(provider.connect_timeout, {"PROVIDER_TIMEOUT": "20"}),
    "an-hour-away": Scenario(provider.an_hour_away),
    "ten-minutes-of-500s": Scenario(provider.ten_minutes_of_500s, {"CHUNK_SIZE": "10"}, {"latency": 0}, patience=150),
    "late-results": Scenario(provider.late_results),
    "late-and-lost": Scenario(provider.late_and_lost, {"CONCURRENCY": "1"}),
    "ignored-lines": Scenario(provider.ignored_lines, {"RESULT_HORIZON": "6"}),
    "bad-key": Scenario(provider.bad_key),
    "out-of-credit": Scenario(provider.out_of_credit),
    "slow-and-lost": Scenario(evidence.slow_and_lost),
    "refused-and-lost": Scenario(evidence.refused_at_once),
    "slow-and-never-had": Scenario(evidence.slow_and_never_had),
    "stuck-carrier": Scenario(evidence.stuck_carrier),
    "out-of-order": Scenario(evidence.out_of_order),
    "restored-unnoticed": Scenario(evidence.restored_unnoticed(6), held=True),
    "restored-unnoticed-new": Scenario(evidence.restored_unnoticed(0), held=True),
    "no-credit": Scenario(evidence.no_credit, patience=120),
    "probes-pile-up": Scenario(
        provider.probes_do_not_pile_up,
        # Finding the reading of fecha asks for a line of some chunks as well, doubtful ones among them.
        {"CHUNK_SIZE": "11", "PROBE_RATE": "20", "FECHA_READING": "since"},
        patience=120,
    ),
    "provider-hangs": Scenario(provider.hangs_on_every_page, {"PROVIDER_TIMEOUT": "40"}, patience=120),
    "vanished-host": Scenario(hosts.vanished_host, missing=cable.missing, patience=150),
    "loader-stands-still": Scenario(hosts.loader_dies(signal.SIGSTOP)),
    "loader-dies": Scenario(hosts.loader_dies(signal.SIGKILL)),
    "clock-ahead": Scenario(hosts.clock_ahead, missing=hosts.fake_clock_missing),
    "second-up": Scenario(hosts.second_up, {"PUSH_PORT": "0", "WEB_PORT": "0"}, patience=150),
    "broker-demoted": Scenario(hosts.broker_demoted, {"PUSH_PORT": "0", "WEB_PORT": "0"}, patience=150),
    "payloads-wait": Scenario(handed_in.payloads_wait, options=_NO_REJECTS),
    "payloads-wait-rabbit": Scenario(handed_in.payloads_wait_in_rabbit, options=_NO_REJECTS, missing=rabbit.missing),
    "large-inbox": Scenario(handed_in.large_inbox, {"INBOX_INTERVAL": "1", "PROVIDER_TIMEOUT": "20"}, _NO_REJECTS),
    "control-character": Scenario(
        handed_in.control_character,
        {"INBOX_INTERVAL": "1", "TRANSPORT": "soap", "USUARIO": "CHAOS", "CLAVE": "clave"},
        _NO_REJECTS,
    ),
    "pgbouncer": Scenario(postgres.pooled, missing=pgbouncer.missing, patience=120),
    "broker-killed": Scenario(broker.killed_and_empty),
    "broker-flushed": Scenario(broker.flushed),
    "broker-full": Scenario(broker.out_of_memory),
    "broker-cut": Scenario(broker.cut_connections),
    "everything-twice": Scenario(broker.everything_twice),
    "rabbit-restarts": Scenario(broker.rabbit_restarts, missing=rabbit.missing),
    "rabbit-twice": Scenario(broker.rabbit_twice, missing=rabbit.missing),
    "postgres-crashes": Scenario(postgres.crashes),
    "postgres-cut": Scenario(postgres.connections_cut),
    "migration-waits": Scenario(postgres.a_migration_waits),
    "database-wiped": Scenario(restores.wiped),
    "database-restored": Scenario(restores.restored(6)),
    "database-restored-new": Scenario(restores.restored(0)),
    "another-key": Scenario(restores.another_key),
    "disk-full": Scenario(postgres.disk_full, missing=disk.missing),
    "two-dispatchers": Scenario(postgres.two_dispatchers),
    "closing-clock-ahead": Scenario(clock.closing(90), {"WINDOW_GUARD": "3"}),
    "closing-clock-behind": Scenario(clock.closing(-90), {"WINDOW_GUARD": "3"}),
    "clock-stepped-back": Scenario(clock.closing(0, step=-3600), {"WINDOW_GUARD": "3"}),
    "clock-stepped-ahead": Scenario(clock.closing(0, step=3600), {"WINDOW_GUARD": "3"}),
    "start-and-deadline": Scenario(clock.to_the_second),
    "three-days": Scenario(
        clock.three_days, {"WINDOW": "08:00-22:00", "WINDOW_GUARD": "55", "RATE": "6000"}, _IN_WINDOW
    ),
    "fast-clock": Scenario(clock.stepped),
    "pause-resume": Scenario(people.pause_and_resume),
    "cancel": Scenario(people.cancel),
    "opt-outs": Scenario(people.opt_outs),
    "ten-times": Scenario(people.ten_times),
    "broken-file": Scenario(people.broken_file),
    "webhook-worker-killed": Scenario(told.worker_killed, _TOLD),
    "webhook-endpoint-away": Scenario(told.endpoint_away, _TOLD),
    "webhook-two-workers": Scenario(told.two_workers, _TOLD),
    "range-made-late": Scenario(ranges.made_late),
    "range-dropped-late": Scenario(ranges.dropped_late),
    "range-late-results": Scenario(ranges.late_results, {"RESULT_HORIZON": "3"}),
    "mixed": Scenario(mixed.mixed, {"MAX_RESENDS": "10"}, patience=150),
}
