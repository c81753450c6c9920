"""Does the simulation find bugs? Plants them, one at a time, in a copy of the source, and demands that sim_log, or
the simulation of what it is planted in, fails.

  plant.py [--seconds N] [NAME...]    N: the most that the simulation may run for one plant; NAMEs: only these plants

A plant is a list of edits (file, old text, new text); the old text must be there exactly once, so that a plant which the
code has outgrown is noticed. Plants with `passes` are controls: the simulation must not fail. Copies go to a temporary folder.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HANG_S = 60

RING_SYNC = "\treturn group->sync ? os_file_sync(file->write) : pyr_ok();"
EXTENTS_LATE = [
    ("src/log/extent.c", "\treturn os_file_sync(place->extent->write);", "\treturn pyr_ok();"),
    ("src/log/write.c", "\treturn write_ring(log);", """\tPYR_TRY(write_ring(log));
\tfor (size_t i = 0; i < group->extent_count; i++)
\t\tPYR_TRY(os_file_sync(group->extents[i].extent->write));
\treturn pyr_ok();"""),
]


class Plant:
    def __init__(self, name, *edits, passes=False, program="sim_log"):
        self.name, self.edits, self.passes, self.program = name, edits, passes, program


PLANTS = [
    Plant("nothing planted", passes=True),
    Plant("acknowledged before the sync", ("src/log/write.c", RING_SYNC, "\treturn pyr_ok();")),
    Plant("a failed sync is tried again", ("src/log/write.c", RING_SYNC, """\tif (!group->sync || os_file_sync(file->write).code == PYR_OK)
\t\treturn pyr_ok();
\treturn os_file_sync(file->write);""")),
    Plant("a file's last group is not synced", ("src/log/write.c", "\treturn os_file_sync(group->rolled->write);", "\treturn pyr_ok();")),
    Plant("a group is taken back with the end of the file before",
          ("src/log/write.c", """\tif (group->roll) /* also when the group is taken back: the next one goes to the new file, too */
\t\tPYR_TRY(close_rolled(group));
\tPYR_TRY(extents_written(group));
""", """\tPYR_TRY(extents_written(group));
\tif (group->roll)
\t\tPYR_TRY(close_rolled(group));
""")),
    Plant("a segment's file is written again while a reader has it",
          ("src/log/segment.c", "\tif (segment->live_parts == 0 && !segment->log->recovering)\n\t\tos_pool_file_unref(&segment->file);",
           """\tif (segment->live_parts == 0 && !segment->log->recovering && !segment->log->closing && !segment->log->stopped)
\t\tlog_removal_add(segment->log, segment);""")),
    Plant("a ring file's name is not synced",
          ("src/log/ring.c", 'return fresh ? os_directory_sync(log->disk, "ring") : pyr_ok();',
           "(void)log;\n\t(void)fresh;\n\treturn pyr_ok();")),
    Plant("an extent is not synced", ("src/log/extent.c", "\treturn os_file_sync(place->extent->write);", "\treturn pyr_ok();")),
    Plant("an extent's name is not synced", ("src/log/extent.c", 'return os_directory_sync(log->disk, "segments");', "return pyr_ok();")),
    Plant("a segment is not synced", ("src/log/segment.c", "\tPYR_TRY(os_file_sync(writer->file));\n", "")),
    Plant("a segment's name is not synced", ("src/log/segment.c", '\tPYR_TRY(os_directory_sync(writer->disk, "segments"));\n', "")),
    Plant("a manifest is not synced", ("src/log/manifest.c", "result = os_file_sync(file);", "result = pyr_ok();")),
    Plant("a manifest's name is not synced", ("src/log/manifest.c", 'if (os_directory_sync(disk, "manifest").code != PYR_OK)', "if (false)")),
    Plant("what recovery accepts is not synced", ("src/log/rewrite.c", "\t\tresult = os_file_sync(file);", "\t\tresult = pyr_ok();")),
    Plant("what recovery accepts is synced, but not written again",
          ("src/log/rewrite.c", "pyr_result result = os_file_write(file, position, &bytes, 1);",
           "(void)position;\n\t(void)bytes;\n\tpyr_result result = pyr_ok();")),
    Plant("names that recovery sees are not synced",
          ("src/log/log.c", "\t\tPYR_TRY(os_directory_sync(log->disk, folders[i]));\n", "")),
    Plant("a change is answered before every shard has it",
          ("src/catalog/follow.c", "\tif (is_followed(leader, change->version))\n\t\tanswer(leader, change);\n\telse", "\tif (true)\n\t\tanswer(leader, change);\n\telse")),
    Plant("an event does not reach the other shards",
          ("src/catalog/follow.c", "\tfeed->result = catalog_event_apply(feed->follower->catalog, &feed->event);", "\tfeed->result = pyr_ok();")),
    # A file is used again only when the manifest begins behind it: its old groups' numbers alone give them away.
    Plant("file id and incarnation of a group are not checked, its number is",
          ("src/log/found.c", """.code == PYR_OK &&
\t       ret_group->file_id == found->header.file_id && ret_group->incarnation == found->header.incarnation;""",
           ".code == PYR_OK && found;"), passes=True),
    Plant("groups are accepted whatever their file, incarnation and number",
          ("src/log/found.c", """.code == PYR_OK &&
\t       ret_group->file_id == found->header.file_id && ret_group->incarnation == found->header.incarnation;""",
           ".code == PYR_OK && found;"),
          ("src/log/recovery.c", "if (!readable || group.number > recovery->last_group + 1) {", "if (!readable) {"),
          ("src/log/recovery.c", "if (group.number == recovery->last_group + 1) /*", "if (true) /*"),
          ("src/log/replay.c", "\tif (group->number > recovery->head.state_group)\n\t\treturn false;\n",
           "\tif (group->number < recovery->head.group)\n\t\treturn false;\n")),
    Plant("extents synced after the ring, references checked", *EXTENTS_LATE, passes=True),
    Plant("extents synced after the ring, references trusted", *EXTENTS_LATE,
          ("src/log/recovery.c", "&& !extent_is_whole(recovery, payload))", "&& !extent_is_whole(recovery, payload) && false)")),
    Plant("producers are not replayed", ("src/log/replay.c", "\tif (batch->producer_id >= 0)\n", "\tif (batch->producer_id >= INT64_MAX)\n")),
    Plant("producers are not in the manifest",
          ("src/log/producers.c", "base_write_u32le(writer, (uint32_t)producers->table.count);",
           "base_write_u32le(writer, 0);\n\tif (writer)\n\t\treturn;")),
    Plant("a duplicate is answered before its original",
          ("src/log/producers.c", "same->append ? LOG_SEQUENCE_PENDING : LOG_SEQUENCE_DUPLICATE", "LOG_SEQUENCE_DUPLICATE")),
    Plant("a ring file is used again while a snapshot reads it",
          ("src/log/tail.c", "\treturn atomic_load_explicit(&chunk->references, memory_order_acquire) > 1;", "\treturn !chunk;")),
    Plant("a tail's front that ends within a chunk loses what follows in it",
          ("src/log/tail.c", "\tsize_t count = chunk->end - slot;", "\tsize_t count = 1;")),
    Plant("the ring is freed before the manifest is there",
          ("src/log/checkpoint.c", "\tcheckpoint->log = log;\n", "\tcheckpoint->log = log;\n\tlog_ring_release_before(log, log->ring.current->id);\n")),
    Plant("compaction keeps the newest record but one",
          ("src/log/keymap.c", "return offset + 1 >= find", "return offset + 1 != find"),
          ("src/log/keymap.c", "return !(*word_of(map, offset) & bit_of(map, offset));", "return (*word_of(map, offset) & bit_of(map, offset));")),
    Plant("nobody takes the offsets of what compaction removes",
          ("src/log/thin.c", "if (codec_batch_last_offset(&batch) < thinner->last_offset)", "if (false)")),
    Plant("compaction meets each record once, it thinks",
          ("src/log/keymap.c", "\tif (entry->offset_plus_1 > put->offset_plus_1)\n\t\tsupersede(map, put->offset_plus_1 - 1);\n\telse if (!is_new && entry->offset_plus_1 < put->offset_plus_1)",
           "\tif (!is_new)"),
          ("src/log/keymap.c", "\tif (entry->offset_plus_1 < put->offset_plus_1)\n\t\t*entry", "\t*entry")),
    Plant("compaction takes keys for the same that are not",
          ("src/log/keymap.c", "\tbase_siphash(map->secret, key, ret_hash);", "\tbase_siphash(map->secret, key, ret_hash);\n\tret_hash[0] = ret_hash[1] &= 15;")),
    Plant("compaction skips a block of which a part is superseded",
          ("src/log/keymap.c", "if ((map->superseded[i] & asked) != asked)", "if (!(map->superseded[i] & asked))")),
    Plant("a block of a part that is rewritten is not verified",
          ("src/log/walk.c", "!is_in_window(walk, block) || base_crc32c(0, walk->window->data + at, block->bytes) != block->crc",
           "!is_in_window(walk, block)")),
    Plant("a batch that is kept may be overwritten by the walk's next read",
          ("src/log/walk.c", " && atomic_load(&walk->window->references) == 1", "")),
    Plant("a log start is not replayed",
          ("src/log/commit.c", "\tif (partition && !reader.failed)\n", "\tif (partition && !reader.failed && !log->recovering)\n")),
    Plant("a merge is not replayed",
          ("src/log/commit.c", "\t\treturn log_merge_apply(log, &reader);", "\t\treturn log->recovering ? pyr_ok() : log_merge_apply(log, &reader);")),
    Plant("after a crash, offsets go on from the high watermark",
          ("src/log/recovery.c", "partition->next_offset = partition->durable_end;", "partition->next_offset = partition->high_watermark;")),
    Plant("a batch of the tail is not verified",
          ("src/log/segment.c", "return pyr_result_of(codec_batch_check(bytes, &batch).code == PYR_OK ? PYR_OK : PYR_CORRUPT);",
           "(void)batch;\n\treturn pyr_ok();")),
    Plant("a block of a segment is not verified",
          ("src/log/segment.c", "if (result.code == PYR_OK && base_crc32c(0, buffer->data + at, blocks[i].bytes) != blocks[i].crc)",
           "if (false)")),
    Plant("obelisk: nothing planted", passes=True, program="sim_obelisk"),
    Plant("obelisk: a file's name is not synced",
          ("src/coord/obelisk.c", 'pyr_result synced = os_directory_sync(disk, "");', "pyr_result synced = pyr_ok();"), program="sim_obelisk"),
    Plant("obelisk: a promise is not synced",
          ("src/coord/obelisk.c", "return pyr_result_of(os_file_sync(file).code == PYR_OK ? PYR_OK : PYR_STOPPED);", "return pyr_ok();"),
          program="sim_obelisk"),
    Plant("obelisk: a lease is used again after a restart",
          ("src/coord/obelisk.c", "\tatomic_init(&obelisk->counter.next, obelisk->base + size);",
           "\tatomic_init(&obelisk->counter.next, obelisk->base + (size > obelisk->options.lease ? size - obelisk->options.lease : 0));"),
          program="sim_obelisk"),
    Plant("obelisk: after a failed sync it goes on",
          ("src/coord/obelisk.c", "\telse if (result.code != PYR_DISK_FULL)\n\t\tobelisk->stopped = true;", "\telse\n\t\tatomic_store(&obelisk->counter.promised, end);"),
          program="sim_obelisk"),
    Plant("scarab: nothing planted", passes=True, program="sim_scarab"),
    Plant("scarab: a promise is not durable before it is used",
          ("src/coord/timekeeper.c", "\tpyr_result result = explain(obelisk_promise(timekeeper->obelisk, wanted_ms), error);\n",
           "\tpyr_result result = pyr_ok();\n\t(void)explain;\n\t(void)error;\n"), program="sim_scarab"),
    Plant("scarab: the clock is trusted after a restart",
          ("src/coord/hlc.c", "\t\t.next = promised_ms << rules->counter_bits,\n", ""), program="sim_scarab"),
    Plant("scarab: the clock is trusted when it goes back",
          ("src/coord/hlc.c", "\tif (wall_ms < hlc->reading_ms)\n\t\treturn;\n", ""),
          ("src/coord/hlc.c", "\tuint64_t first = reading > hlc->next ? reading : hlc->next;\n", "\tuint64_t first = reading;\n"),
          program="sim_scarab"),
    Plant("scarab: a node number is used by a copy, too",
          ("src/coord/obelisk.c", "result.code == PYR_OK && epoch < obelisk->options.epoch_min", "false"), program="sim_scarab"),
    Plant("scarab: directories count epochs by themselves",
          ("src/coord/scarab_issuer.c", "\tkeeper.epoch_grant = options->epoch_grant;\n", ""), program="sim_scarab"),
    Plant("scarab: a claim's name is not synced",
          ("src/coord/scarab_issuer.c", '\treturn os_directory_sync(disk, "");', "\treturn pyr_ok();"), program="sim_scarab"),
    Plant("scarab: what is observed is not promised",
          ("src/coord/hlc.c", "\tif (!hlc->kept || hlc_ms(hlc, received) >= hlc->promised_ms)\n", "\tif (false)\n"), program="sim_scarab"),
    Plant("scarab: an earlier life's promise is taken for durable",
          ("src/coord/hlc.c", "\tif (!hlc->kept || hlc_ms(hlc, received)", "\tif (hlc_ms(hlc, received)"), program="sim_scarab"),
    Plant("scarab: a restart begins at the promise",
          ("src/coord/hlc.c", "promised_ms > rules->lease_ms ? promised_ms - rules->lease_ms : 0", "promised_ms"), program="sim_scarab"),
    Plant("pharaoh: nothing planted", passes=True, program="sim_pharaoh"),
    Plant("pharaoh: a token is not raised",
          ("src/coord/pharaoh_sessions.c", "\tpharaoh->token_counts[slot] = count;\n", ""), program="sim_pharaoh"),
    Plant("pharaoh: a sequence's lease is used again after a restart",
          ("src/coord/pharaoh_numbers.c", "\t\t*word = names_kept(entry) + 1;", "\t\t*word = (names_kept(entry) > 3 ? names_kept(entry) - 3 : 0) + 1;"),
          program="sim_pharaoh"),
    Plant("pharaoh: the grace is not waited for",
          ("src/coord/pharaoh.c", "= grace ? sessions_time_at(pharaoh->sessions, now_ms) + pharaoh->options.grace_ms : 0;",
           "= 0;\n\t(void)now_ms;"), program="sim_pharaoh"),
    Plant("pharaoh: sequences are not synced",
          ("src/coord/names.c", "return pyr_result_of(os_file_sync(file).code == PYR_OK ? PYR_OK : PYR_STOPPED);", "return pyr_ok();"),
          program="sim_pharaoh"),
    Plant("pharaoh: a file of sequences has no synced name",
          ("src/coord/names.c", 'result.code == PYR_OK && os_directory_sync(names->disk, "").code != PYR_OK', "false"), program="sim_pharaoh"),
    Plant("pharaoh: a slot moves before its owner has seen that",
          ("src/coord/authority.c", "slot->left_answer > 0 && slot->left_answer <= renewal->seen", "slot->left_answer > 0"), program="sim_pharaoh"),
    Plant("pharaoh: a late answer brings a slot back",
          ("src/coord/pharaoh.c", "lease->epochs[slot] > pharaoh->slots.left[slot] ? lease->epochs[slot] : 0", "lease->epochs[slot]"),
          program="sim_pharaoh"),
    Plant("pharaoh: a lease counts from when its answer comes",
          ("src/coord/pharaoh.c", "pharaoh->slots.until_ms = sent_ms + lease->lease_ms;", "pharaoh->slots.until_ms = now_ms + lease->lease_ms;"),
          program="sim_pharaoh"),
    Plant("pharaoh: after its restart the authority does not wait for claims",
          ("src/coord/authority.c", "authority->settled_ms =\n", "authority->settled_ms = true ? 0 :\n"), program="sim_pharaoh"),
    Plant("pharaoh: a copy of a directory is not noticed",
          ("src/coord/authority.c", "(struct authority_grant){number, epoch, node->told};", "(struct authority_grant){number, epoch, 0};"),
          program="sim_pharaoh"),
    Plant("pharaoh: a session's time counts from the last advance",
          ("src/coord/sessions.c", "sessions_time_at(sessions, now_ms) + session->ttl_ms;", "sessions->time_ms + session->ttl_ms;\n\t(void)now_ms;"),
          program="sim_pharaoh"),
    Plant("groups: nothing planted", passes=True, program="sim_group"),
    Plant("groups: commits are acknowledged before they are durable",
          ("src/group/store.c", '"pyralog.durability", "fsync"', '"pyralog.durability", "os"'), program="sim_group"),
    Plant("groups: an assignment is told before it is durable",
          ("src/group/classic.c", "\t\tgroup->writing_generation = group->generation;\n",
           "\t\tgroup_assignment_written(group, group->generation, pyr_ok(), world, effects);\n"), program="sim_group"),
    Plant("groups: a snapshot ends after its first group",
          ("src/group/store.c", "if (slot->snapshot == coordinator->snapshot)",
           "if (BASE_CONTAINER(coordinator->list.previous, struct group_slot, node)->snapshot == coordinator->snapshot)"),
          program="sim_group"),
    Plant("groups: a snapshot has no offsets",
          ("src/group/record.c", """		group_record_metadata(group, group->state == GROUP_STABLE, records);
\t}
\tfor (struct""", """		group_record_metadata(group, group->state == GROUP_STABLE, records);
\t}
\tif (records)
\t\treturn;
\tfor (struct"""), program="sim_group"),
    Plant("groups: the first record of an offset counts",
          ("src/group/offsets.c", "\tbase_slice_release(&offset->metadata);\n\toffset->metadata = kept;\n",
           "\tbase_slice_release(&offset->metadata);\n\toffset->metadata = kept;\n\tif (offset->commit_ms > 0)\n\t\treturn true;\n"),
          program="sim_group"),
    Plant("groups: a partition is given to a member while another still has it",
          ("src/group/reconcile.c", "\t\tif (group_part_is_taken(group, member, part))\n", "\t\tif (group_part_is_taken(group, member, part) && member->target.count == 0)\n"),
          program="sim_group"),
    Plant("groups: a member that does not say what it has, has given it up",
          ("src/group/reconcile.c", "(!owned || group_parts_overlap(&revoking, owned))", "owned && group_parts_overlap(&revoking, owned)"),
          program="sim_group"),
    Plant("groups: what a member must give up is not remembered",
          ("src/group/consumer_record.c", "\twrite_parts(&member->revoking, records);", "\tbase_write_uvarint(records, 1);"),
          program="sim_group"),
    Plant("a topic's growth is not replayed",
          ("src/catalog/catalog.c", "\t\treturn apply_grown(catalog, topic, event);",
           "\t\treturn catalog->log ? apply_grown(catalog, topic, event) : pyr_ok();"), program="sim_group"),
    Plant("settings of a group are not replayed",
          ("src/catalog/catalog.c", "\t\treturn catalog_group_apply(catalog, &event->group, event->changed);",
           "\t\treturn catalog->log ? catalog_group_apply(catalog, &event->group, event->changed) : pyr_ok();"), program="sim_group"),
    # Who is still a member has joined the newest generation, or it would have been dropped.
    Plant("groups: an older generation may ask for assignments",
          ("src/group/classic.c", "\tif (asked->generation != group->generation)\n\t\treturn group->state",
           "\tif (asked->generation > group->generation)\n\t\treturn group->state"), passes=True,
          program="sim_group"),
    Plant("groups: the generation is not remembered when a group is empty",
          ("src/group/join.c", "\tgroup_record_metadata(group, false, &write->records);\n\t(void)",
           "\tgroup_record_classic_tombstone(group, &write->records);\n\t(void)"), program="sim_group"),
    Plant("migration: nothing planted", passes=True, program="sim_migrate"),
    Plant("migration: what members had is free after an upgrade",
          ("src/group/migrate.c", "\t\tPYR_TRY(claim_assignment(group, from, to, world, arena));\n",
           "\t\tif (!world)\n\t\t\tPYR_TRY(claim_assignment(group, from, to, world, arena));\n"), program="sim_migrate"),
    Plant("migration: what a cooperative member said that it has counts for nothing",
          ("src/group/migrate.c", "\t\tPYR_TRY(claim_owned(group, from, to, world, arena));\n",
           "\t\tif (!world)\n\t\t\tPYR_TRY(claim_owned(group, from, to, world, arena));\n"), program="sim_migrate"),
    Plant("migration: a classic member is told its target, not what it may have",
          ("src/group/mixed.c", "group_assignment_write(&member->assigned,", "group_assignment_write(&member->target,"),
          program="sim_migrate"),
    Plant("migration: JoinGroup gives up what it does not name",
          ("src/group/mixed.c", "group_reconcile(joining->group, member, &joining->owned, &changed)",
           "group_reconcile(joining->group, member, &(struct group_parts){0}, &changed)"), program="sim_migrate"),
    Plant("migration: generations begin anew after a downgrade",
          ("src/group/migrate.c", "\t\tgroup->generation = group->consumers->epoch;\n", "\t\tgroup->generation = 0;\n"),
          program="sim_migrate"),
    Plant("migration: a group that was downgraded is not told to join again",
          ("src/group/migrate.c", "\tgroup_state_set(group, GROUP_STABLE, world);\n\tgroup_rebalance(group, world, effects);\n",
           "\tgroup_state_set(group, GROUP_STABLE, world);\n"), program="sim_migrate"),
    Plant("migration: a member that waits is never told that it may go on",
          ("src/group/mixed.c", "(member->state == GROUP_MEMBER_UNRELEASED && !group_consumer_waits(group, member))",
           "(member->state == GROUP_MEMBER_UNRELEASED && member->epoch == 0)"), program="sim_migrate"),
]


def copy_tree(folder):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True).stdout.decode().split("\0")
    for path in filter(None, listed):
        source, target = os.path.join(ROOT, path), os.path.join(folder, path)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target)
    os.symlink(os.path.join(ROOT, ".deps"), os.path.join(folder, ".deps"))


def quiet(command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")


def apply(plant, folder):
    """The text of each file before."""
    before = {}
    for path, old, new in plant.edits:
        with open(os.path.join(folder, path)) as file:
            text = file.read()
        if text.count(old) != 1:
            sys.exit(f"{plant.name}: {path} has {text.count(old)} times\n{old}\nadapt the plant to the code")
        before.setdefault(path, text)
        with open(os.path.join(folder, path), "w") as file:
            file.write(text.replace(old, new))
    return before


def run(folder, program, seconds):
    """Did it fail, after how many seeds and seconds, and what did it say first?"""
    command = [os.path.join(folder, "build/tests/sim", program), "--first", "1", "--seconds", str(seconds), "--failures", "1"]
    began = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds + HANG_S)
    except subprocess.TimeoutExpired:
        return True, "?", time.monotonic() - began, "it hangs"
    counted = re.search(r"^(\d+) passed, (\d+) failed", done.stdout, re.M)
    seeds = int(counted[1]) + int(counted[2]) if counted else "?"
    said = done.stderr.strip().splitlines()
    if done.returncode < 0 and not said:
        said = [f"signal {-done.returncode}"]
    return done.returncode != 0, seeds, time.monotonic() - began, said[0] if said else ""


def main():
    parser = argparse.ArgumentParser(prog="plant.py", description="Plants bugs and demands that simulations find them.")
    parser.add_argument("names", nargs="*", help="only these plants")
    parser.add_argument("--seconds", type=float, default=30, help="the most that a simulation may run for one plant")
    options = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(folder)
        quiet(["meson", "setup", "build"], folder)
        for plant in PLANTS:
            if options.names and plant.name not in options.names:
                continue
            before = apply(plant, folder)
            quiet(["ninja", "-C", "build", f"tests/sim/{plant.program}"], folder)
            found, seeds, seconds, said = run(folder, plant.program, min(options.seconds, 10) if plant.passes else options.seconds)
            for path, text in before.items():
                with open(os.path.join(folder, path), "w") as file:
                    file.write(text)
            right = found != plant.passes
            passed, failed = passed + right, failed + (not right)
            verdict = "found" if found else "not found"
            print(f"{'ok' if right else 'WRONG':5} | {plant.name} | {verdict} | {seeds} seeds | {seconds:.1f} s | {said}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
