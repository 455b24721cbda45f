-- What was measured, and what each quarter-hour amounts to. Power: load convention, positive is import or charging.
-- Columns are ordered by width: no padding.

select create_by_day('telemetry', 'measured_at', $body$
    measured_at timestamptz not null,
    energy_import_wh bigint,
    energy_export_wh bigint,
    point_id integer not null,
    power_kw real,
    min_kw real,
    max_kw real,
    soc_ratio real,
    quality smallint not null,
    primary key (point_id, measured_at)
$body$);

comment on column telemetry.energy_import_wh is 'cumulative register A+';
comment on column telemetry.energy_export_wh is 'cumulative register A-, a magnitude';
comment on column telemetry.min_kw is 'least power the device could take then by its own limits';
comment on column telemetry.max_kw is 'largest power the device could take then by its own limits';
comment on column telemetry.quality is '0 good, 1 estimated, 2 bad (kept, but not used for quarter figures), 3 other';

create table quarter (
    quarter_start timestamptz not null,
    energy_import_wh bigint check (energy_import_wh >= 0),
    energy_export_wh bigint check (energy_export_wh >= 0),
    coverage_ratio double precision not null,
    point_id integer not null references point,
    readings_count integer not null,
    complete boolean not null,
    register_went_back boolean not null,
    primary key (point_id, quarter_start)
) with (fillfactor = 80);

create index quarter_provisional on quarter (quarter_start) where not complete;

comment on table quarter is 'figures of fixed clock quarters, recomputed from register readings, never incremented';
comment on column quarter.energy_import_wh is 'null: no register, too little read, or the register went back';
comment on column quarter.coverage_ratio is 'share of the quarter that the figures span';
comment on column quarter.complete is 'false: provisional, a later reading may change the figures';
comment on column quarter.readings_count is 'usable readings inside the quarter';
