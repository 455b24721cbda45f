"""A worker that takes a partition over reads its log back, and then decides what the one before would have decided."""

import random
from dataclasses import dataclass, replace

import pytest

from streams.codec import encode
from streams.messages import Epoch
from streams.partition import OwnedPartition
from streams.replay import Record
from streams.topics import PARTITIONS, key_of, partition_of
from tests.streams.virtual_park import SECOND_US, Park, de_koumen

LIVED_S = 25
NEW_EPOCH = Epoch(1, 2, 40)


@dataclass
class Rebuilt:
    """All partitions of the park as a new worker rebuilds them."""

    partitions: dict

    @classmethod
    def of(cls, records, hub):
        partitions = {number: OwnedPartition.of(hub, number) for number in range(PARTITIONS)}
        for record in records:
            folded = partitions[record.partition].fold(record)
            assert (folded.rejected, folded.bad) == (None, ())
        for partition in partitions.values():
            for controller in partition.controllers.values():
                controller.begin(NEW_EPOCH)
        return cls(partitions)

    @property
    def loops(self):
        return {loop.plant.grid_loop: loop for p in self.partitions.values() for loop in p.grid_loops}

    @property
    def station(self):
        return next(p.station for p in self.partitions.values() if p.station)


def records_of(log):
    """The log's frames as Kafka holds them, offsets counted per partition."""
    ends, records = {}, []
    for name, frame in log:
        key = key_of("de-koumen", name)
        number = partition_of(key)
        ends[number] = ends.get(number, -1) + 1
        records.append(Record(number, ends[number], key, encode(frame), frame.sent_at_us))
    return records


@pytest.fixture(scope="module", params=["sunny-noon", "winter-evening"])
def park(request):
    """Lived through a quarter's boundary, and gave back at once what limits took: a hold is not read from the log."""
    hub = de_koumen()
    timing = replace(hub.timing, release_hold_s=0.0, release_ramp_ratio_per_s=1.0)
    park = Park(request.param, replace(hub, timing=timing), into_quarter_s=900 - LIVED_S // 2)
    return park.turn(LIVED_S)


def delivered_again(records):
    """As a broker may: cut at random, and begun again from earlier offsets."""
    chance, delivered = random.Random(8), []
    for end in range(20, len(records), 25):
        delivered += records[chance.randrange(0, end) : end]
    return [*records[:10], *sorted(delivered, key=lambda r: r.offset), *records]


@pytest.mark.parametrize("deliver", [list, delivered_again])
def test_a_rebuilt_loop_offers_and_decides_what_the_one_that_lived_does(park, deliver):
    new = Rebuilt.of(deliver(records_of(park.log)), park.hub)
    now_us = park.now_us - SECOND_US + 200_000
    for name, loop in new.loops.items():
        for budget in park.lent:
            if budget.grid_loop == name:
                loop.remember_budget(budget)
        lived, rebuilt = (each.offer(tick=9, now_us=now_us) for each in (park.loops[name], loop))
        assert (rebuilt.curve, rebuilt.uncontrolled_high_kw) == (lived.curve, lived.uncontrolled_high_kw)
        assert (rebuilt.acknowledged, rebuilt.acknowledged_epoch) == (lived.acknowledged, lived.acknowledged_epoch)
        lived, rebuilt = (each.balance(tick=9, now_us=now_us) for each in (park.loops[name], loop))
        assert rebuilt.state.nodes == lived.state.nodes
        assert rebuilt.setpoints.epoch > lived.setpoints.epoch
        assert rebuilt.setpoints.full
        assert rebuilt.setpoints.power_kw == list(park.loops[name]._writer.last.power_kw)


def test_a_rebuilt_station_lends_no_more_than_what_is_left_beside_what_it_lent_before(park):
    station = Rebuilt.of(records_of(park.log), park.hub).station
    for budget in park.lent:
        station.remember_budget(budget)
    tick, now_us = park.now_us // SECOND_US - 1, park.now_us - SECOND_US + 300_000
    for loop in park.loops.values():
        station.receive_offer(loop.offer(tick=tick, now_us=now_us))
    clearing = station.clear(tick=tick, now_us=now_us)
    assert clearing.state.nodes == park.station.clear(tick=tick, now_us=now_us).state.nodes
    assert {budget.epoch for budget in clearing.budgets} == {NEW_EPOCH}
    held = {name: loop.held for name, loop in park.loops.items()}
    taken = held | {b.grid_loop: held[b.grid_loop].receive(b, now_us=now_us) for b in clearing.budgets}
    before_kw, after_kw = (sum(each.interval(now_us=now_us).max_kw for each in both.values()) for both in (held, taken))
    assert after_kw <= max(clearing.state.nodes.limit_import_kw[0], before_kw) + 0.001  # limits are told in whole watts
