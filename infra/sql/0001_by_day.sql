-- Tables cut into days, so that a month of second-by-second rows is dropped as files, not row by row.
-- TimescaleDB: hypertables. Plain PostgreSQL: native partitions, made ahead by ensure_days. The rows are the same.

create function create_by_day(table_name text, time_column text, body text) returns void
language plpgsql as $function$
begin
    if exists (select from pg_extension where extname = 'timescaledb') then
        execute format('create table %I (%s)', table_name, body);
        perform create_hypertable(table_name::regclass, time_column::name,
            chunk_time_interval => interval '1 day', create_default_indexes => false);
    else
        execute format('create table %I (%s) partition by range (%I)', table_name, body, time_column);
    end if;
end
$function$;

-- Makes the partitions of these days (UTC) where they are missing; does nothing on hypertables.
-- Runs with its owner's rights, so that a writer needs none on the tables themselves. A partition is attached rather
-- than created in place: attaching does not wait for readers, and they do not wait for it.
create function ensure_days(days date[]) returns integer
language plpgsql security definer set search_path from current as $function$
declare
    parent name;
    part text;
    day date;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('lusbalans ensure_days'));
    for parent, day in
        select relname, wanted
        from pg_class cross join unnest(days) wanted
        where relkind = 'p' and relnamespace = current_schema()::regnamespace
        order by relname, wanted
    loop
        part := parent || '_' || to_char(day, 'YYYYMMDD');
        continue when to_regclass(format('%I', part)) is not null;
        execute format('create table %I (like %I including all)', part, parent);
        execute format('alter table %I attach partition %I for values from (%L) to (%L)',
            parent, part, day || ' 00:00:00+00', (day + 1) || ' 00:00:00+00');
        made := made + 1;
    end loop;
    return made;
end
$function$;

comment on function ensure_days is 'day partitions of all tables cut into days; returns how many it made';
