-- Whole numbers for text ids, so that rows of measurements are small and of one width.

create table hub (
    hub_id integer generated always as identity primary key,
    name text not null unique
);

create table point (
    point_id integer generated always as identity primary key,
    hub_id integer not null references hub,
    name text not null,
    kind text,
    unique (hub_id, name)
);

comment on table point is 'a node or an asset of a hub; its name is the id that telemetry, states and setpoints use';
comment on column point.kind is 'as the hub folder says; null for an id that only telemetry has named';

create table label (
    label_id integer generated always as identity primary key,
    name text not null unique
);

comment on table label is 'words of the messages: bound, reason, binding limit, outcome, refusal';
