-- How far the log has been stored. Written in the same transaction as the rows, compared before it is set.

create table ingest_offset (
    cluster_id text not null,
    topic_id uuid not null,
    partition integer not null,
    topic text not null,
    next_offset bigint not null,
    updated_at timestamptz not null default now(),
    primary key (cluster_id, topic_id, partition)
);

comment on column ingest_offset.next_offset is 'the first message that is not in the tables yet';

create table ingest_gap (
    gap_id bigint generated always as identity primary key,
    cluster_id text not null,
    topic_id uuid not null,
    partition integer not null,
    topic text not null,
    first_offset bigint not null,
    next_offset bigint not null,
    reason text not null,
    found_at timestamptz not null default now()
);

comment on table ingest_gap is 'messages the broker had dropped before they were stored';
