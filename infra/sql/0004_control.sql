-- What the balancing saw, said and got back. The epoch (incarnation, generation, claim_offset) tells who wrote.

select create_by_day('loop_state', 'at', $body$
    at timestamptz not null,
    tick bigint not null,
    point_id integer not null,
    grid_loop_id integer not null,
    power_kw real,
    limit_import_kw real,
    limit_export_kw real,
    headroom_import_kw real,
    headroom_export_kw real,
    quarter_import_kw real,
    quarter_export_kw real,
    projected_import_kw real,
    projected_export_kw real,
    coverage_ratio real,
    binding integer not null,
    mode integer not null,
    fresh boolean not null,
    primary key (point_id, at)
$body$);

comment on table loop_state is 'one limited node at one tick';
comment on column loop_state.point_id is 'the node';
comment on column loop_state.grid_loop_id is 'the grid loop, or @station, whose worker wrote it';
comment on column loop_state.binding is 'label: which limit binds, empty for none';
comment on column loop_state.mode is 'label: closed on fresh meters, fallback on fixed shares';

select create_by_day('setpoint', 'issued_at', $body$
    issued_at timestamptz not null,
    claim_offset bigint not null,
    sequence bigint not null,
    tick bigint not null,
    valid_for_ms bigint not null,
    incarnation bigint not null,
    generation bigint not null,
    point_id integer not null,
    grid_loop_id integer not null,
    power_kw real,
    bound integer not null,
    reason integer not null,
    binding integer not null,
    primary key (point_id, issued_at, incarnation, generation, claim_offset, sequence)
$body$);

comment on table setpoint is 'one asset in one full setpoint frame; renewals are not kept';
comment on column setpoint.bound is 'label: exact, at_most or at_least';
comment on column setpoint.binding is 'label: the node whose limit binds, empty for none';

select create_by_day('setpoint_result', 'at', $body$
    at timestamptz not null,
    claim_offset bigint not null,
    sequence bigint not null,
    incarnation bigint not null,
    generation bigint not null,
    point_id integer not null,
    grid_loop_id integer not null,
    outcome integer not null,
    refusal integer not null,
    latency_ms real,
    primary key (point_id, at, incarnation, generation, claim_offset, sequence, outcome)
$body$);

comment on table setpoint_result is 'what became of a setpoint; point_id is the grid loop where the whole frame is meant';
