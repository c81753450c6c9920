#!/usr/bin/env python3
"""Turns src/codec/kafka/messages.def into C: structs, decoders, encoders, the table of APIs.

    kafka_messages.py messages.def header OUT    messages.h
    kafka_messages.py messages.def source OUT    messages.c
    kafka_messages.py messages.def fill OUT      messages_fill.h: random messages, for tests

The form of the table is described at its top. A mistake in it ends the build with its line number.
"""
import re
import sys
from dataclasses import dataclass, field

# type: (C type, bytes on the wire, stem of the read/write functions)
SCALARS = {
    "bool": ("bool", 1, "bool"),
    "int8": ("int8_t", 1, "int8"),
    "int16": ("int16_t", 2, "int16"),
    "int32": ("int32_t", 4, "int32"),
    "int64": ("int64_t", 8, "int64"),
    "uuid": ("uint8_t", 16, "uuid"),
    "float64": ("double", 8, "float64"),
    "string": ("struct base_bytes", 1, "string"),
    "bytes": ("struct base_bytes", 1, "bytes"),
    "records": ("struct codec_kafka_records", 1, "records"),
}
SIZED = ("string", "bytes", "records")  # read and written with their length, null allowed or not
VERSION_MAX = 32767


@dataclass
class Field:
    name: str
    type: str  # scalar or struct name
    is_array: bool
    is_struct: bool
    versions: tuple
    null: tuple | None = None
    tag: int | None = None
    default: str | None = None
    fields: list = field(default_factory=list)


@dataclass
class Message:
    api: "Api"
    kind: str
    fields: list = field(default_factory=list)

    @property
    def name(self):
        return f"codec_kafka_{snake(self.api.name)}" + (f"_{self.kind}" if self.kind != "record" else "")


@dataclass
class Api:
    """An API, or with key None a record: a message that is stored, or carried inside another."""
    name: str
    key: int | None
    versions: tuple
    advertised: tuple
    flexible: int
    messages: list = field(default_factory=list)


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def parse_versions(text):
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if not match:
        raise ValueError(f"not a version range: {text}")
    low = int(match[1])
    return low, VERSION_MAX if match[2] else int(match[3] or low)


def clamp(versions, outer):
    return max(versions[0], outer[0]), min(versions[1], outer[1])


def parse_field(words, versions):
    type_name = words[1]
    is_array = type_name.startswith("[]")
    bare = type_name.removeprefix("[]")
    is_struct = bare.removeprefix(".") not in SCALARS
    parsed = Field(words[0], bare.removeprefix("."), is_array, is_struct, versions)
    for word in words[2:]:
        option, _, value = word.partition("=")
        if option == "null":
            parsed.null = clamp(parse_versions(value), versions) if value else versions
        elif option == "tag":
            parsed.tag = int(value)
        elif option == "default":
            parsed.default = "INT32_MIN" if value == "-2147483648" else value
        else:
            parsed.versions = clamp(parse_versions(word), versions)
    return parsed


def parse_api(words):
    options = dict(word.split("=") for word in words[2:])
    versions = parse_versions(options["versions"])
    advertised = parse_versions(options.get("advertised", options["versions"]))
    key = int(options["key"]) if words[0] == "api" else None
    return Api(words[1], key, versions, advertised, int(options["flexible"]))


def share_structs(message):
    """A struct without fields is the one of that name that came before it."""
    known = {}

    def walk(fields):
        for one in fields:
            if one.is_struct and not one.fields:
                one.fields = known[one.type]
            elif one.is_struct:
                walk(one.fields)
                known[one.type] = one.fields

    walk(message.fields)


def parse(path):
    apis, stack = [], []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        text = line.split("#")[0].rstrip()
        words = text.split()
        if not words:
            continue
        try:
            depth = len(text) - len(text.lstrip("\t"))
            if words[0] in ("api", "record") and depth == 0:
                apis.append(parse_api(words))
                if words[0] == "record":
                    apis[-1].messages.append(Message(apis[-1], "record"))
                    stack = [apis[-1].messages[-1]]
            elif words[0] in ("request", "response") and depth == 0:
                apis[-1].messages.append(Message(apis[-1], words[0]))
                stack = [apis[-1].messages[-1]]
            else:
                del stack[depth:]
                parent = stack[-1]
                outer = parent.versions if isinstance(parent, Field) else parent.api.versions
                parsed = parse_field(words, outer)
                parent.fields.append(parsed)
                stack.append(parsed)
        except (ValueError, KeyError, IndexError) as error:
            sys.exit(f"{path}:{number}: {error}: {line.strip()}")
    for api in apis:
        for message in api.messages:
            try:
                share_structs(message)
            except KeyError as error:
                sys.exit(f"{path}: {message.name}: the struct {error} has no fields")
    spoken = sorted((api for api in apis if api.key is not None), key=lambda api: api.key)
    return spoken, [api for api in apis if api.key is None]


def structs_of(message):
    """(C name, fields, versions) of every struct of a message, inner ones first."""
    found = []

    def walk(name, fields, versions):
        for one in fields:
            if one.is_struct:
                walk(f"{message.name}_{one.type}", one.fields, one.versions)
        if not any(name == before and fields is same for before, same, _ in found):
            found.append((name, fields, versions))

    walk(message.name, message.fields, message.api.versions)
    assert len({name for name, _, _ in found}) == len(found), f"{message.name}: two structs of one name"
    return found


def c_type(message, one):
    return f"struct {message.name}_{one.type}" if one.is_struct else SCALARS[one.type][0]


def comment(one, message):
    notes = []
    if one.versions != message.api.versions:
        low, high = one.versions
        notes.append(f"{low}+" if high == message.api.versions[1] else f"{low}-{high}")
    if one.null:
        notes.append("NULL: null")
    if one.tag is not None:
        notes.append(f"tag {one.tag}")
    return f" /* {', '.join(notes)} */" if notes else ""


def declare(message, one):
    kind = c_type(message, one)
    gap = "" if kind.endswith("*") else " "
    if one.is_array:
        dimension = "(*" if one.type == "uuid" and not one.is_struct else "*"
        tail = ")[16]" if dimension == "(*" else ""
        lines = [f"\t{kind} {dimension}{one.name}{tail};{comment(one, message)}", f"\tsize_t {one.name}_count;"]
    elif one.type == "uuid":
        lines = [f"\tuint8_t {one.name}[16];{comment(one, message)}"]
    else:
        lines = [f"\t{kind}{gap}{one.name};{comment(one, message)}"]
    if has_presence(one):
        lines.append(f"\tbool has_{one.name};")
    return lines


def has_presence(one):
    """A single struct that may be missing: tagged, or null."""
    return one.is_struct and not one.is_array and (one.tag is not None or one.null)


HEADER = """/* Made by tools/kafka_messages.py from src/codec/kafka/messages.def: change those.
 *
 * One struct a message, holding the fields of all its versions; a field that a version lacks is left out on encoding and
 * has its default after decoding. Strings, records: borrowed from the request's bytes. Arrays: count and pointer, in the
 * arena. Null is a NULL pointer (an empty array or string has a pointer). Start from NAME_default to build one.
 * decode: PYR_INVALID_REQUEST when cut short or malformed, PYR_OUT_OF_MEMORY when the arena is full; bytes behind the
 * message stay in the reader. encode: fails in the writer. `version` must be one that codec_kafka_api_find() names.
 */"""


def header(apis, records):
    out = [HEADER, "#ifndef PYRALOG_CODEC_KAFKA_MESSAGES_H", "#define PYRALOG_CODEC_KAFKA_MESSAGES_H", ""]
    out += ['#include "codec/arena.h"', '#include "codec/kafka/wire.h"', ""]
    out += ["enum codec_kafka_key {"]
    out += [f"\tCODEC_KAFKA_{snake(api.name).upper()} = {api.key}," for api in apis]
    out += ["};", ""]
    for api in apis + records:
        for message in api.messages:
            for name, fields, _ in structs_of(message):
                out.append(f"struct {name} {{")
                for one in fields:
                    out += declare(message, one)
                out += ["};", f"extern const struct {name} {name}_default;", ""]
            name = message.name
            out.append(f"pyr_result {name}_decode(struct base_reader *reader, int version, struct codec_arena *arena,")
            out.append(f"\tstruct {name} *ret_message);")
            out.append(f"void {name}_encode(struct base_writer *writer, int version,")
            out.append(f"\tconst struct {name} *message);")
            out.append("")
    out.append("#endif")
    return out


def in_versions(versions, outer, what):
    """The C condition that `what` lies in versions, given that it lies in outer; None: always."""
    parts = []
    if versions[0] > outer[0]:
        parts.append(f"{what} >= {versions[0]}")
    if versions[1] < outer[1]:
        parts.append(f"{what} <= {versions[1]}")
    return " && ".join(parts) or None


def nullable(one, what):
    if not one.null:
        return "false"
    return in_versions(one.null, one.versions, what) or "true"


def wire_bytes_min(message, fields):
    """The fewest bytes a struct takes: bounds an array's count by the bytes that are left."""
    total = 0
    for one in fields:
        if one.tag is None and one.versions == message.api.versions:
            if one.is_array:
                total += 1
            elif one.is_struct:
                total += 1 if one.null else wire_bytes_min(message, one.fields)
            else:
                total += SCALARS[one.type][1]
    return max(total, 1)


def read_value(message, one):
    to, may_be_null = f"to->{one.name}", nullable(one, "decoder->version")
    if one.is_array:
        size = wire_bytes_min(message, one.fields) if one.is_struct else SCALARS[one.type][1]
        lines = [f"{to} = codec_kafka_read_array(decoder, {may_be_null}, {size}, sizeof *{to}, &{to}_count);"]
        lines.append(f"for (size_t i = 0; i < {to}_count; i++)")
        if one.is_struct:
            lines.append(f"\tread_{message.name}_{one.type}(decoder, &{to}[i]);")
        elif one.type == "uuid":
            lines.append(f"\tcodec_kafka_read_uuid(decoder, {to}[i]);")
        elif one.type in SIZED:
            lines.append(f"\t{to}[i] = codec_kafka_read_{one.type}(decoder, false);")
        else:
            lines.append(f"\t{to}[i] = codec_kafka_read_{one.type}(decoder);")
        return lines
    if one.is_struct:
        read = f"read_{message.name}_{one.type}(decoder, &{to});"
        if one.null:
            return [f"to->has_{one.name} = codec_kafka_read_int8(decoder) >= 0;", f"if (to->has_{one.name})", f"\t{read}"]
        has = [f"to->has_{one.name} = true;"] if one.tag is not None else []
        return has + [read]
    if one.type == "uuid":
        return [f"codec_kafka_read_uuid(decoder, {to});"]
    if one.type in SIZED:
        return [f"{to} = codec_kafka_read_{one.type}(decoder, {may_be_null});"]
    return [f"{to} = codec_kafka_read_{one.type}(decoder);"]


def write_value(message, one):
    of, may_be_null = f"from->{one.name}", nullable(one, "encoder->version")
    if one.is_array:
        lines = [f"codec_kafka_write_array(encoder, {may_be_null}, {of}, {of}_count);"]
        lines.append(f"for (size_t i = 0; i < {of}_count; i++)")
        if one.is_struct:
            lines.append(f"\twrite_{message.name}_{one.type}(encoder, &{of}[i]);")
        elif one.type in SIZED:
            lines.append(f"\tcodec_kafka_write_{one.type}(encoder, false, &{of}[i]);")
        else:
            lines.append(f"\tcodec_kafka_write_{one.type}(encoder, {of}[i]);")
        return lines
    if one.is_struct:
        write = f"write_{message.name}_{one.type}(encoder, &{of});"
        if one.null:
            return [f"codec_kafka_write_int8(encoder, from->has_{one.name} ? 1 : -1);", f"if (from->has_{one.name})", f"\t{write}"]
        return [write]
    if one.type in SIZED:
        return [f"codec_kafka_write_{one.type}(encoder, {may_be_null}, &{of});"]
    return [f"codec_kafka_write_{one.type}(encoder, {of});"]


def guarded(condition, lines):
    if not condition:
        return [f"\t{line}" for line in lines]
    brace = len(lines) > 1
    return [f"\tif ({condition})" + (" {" if brace else "")] + [f"\t\t{line}" for line in lines] + (["\t}"] if brace else [])


def tagged(fields):
    return sorted((one for one in fields if one.tag is not None), key=lambda one: one.tag)


def read_tags(message, fields, versions):
    """Every struct of a flexible version ends in tagged fields; unknown ones are skipped."""
    if not tagged(fields):
        return ["codec_kafka_skip_tags(decoder);"]
    lines = ["struct codec_kafka_tags tags = codec_kafka_read_tags(decoder);", "while (codec_kafka_next_tag(decoder, &tags)) {"]
    for one in tagged(fields):
        also = in_versions(one.versions, (max(versions[0], message.api.flexible), versions[1]), "decoder->version")
        condition = f"tags.number == {one.tag}" + (f" && {also}" if also else "")
        body = read_value(message, one)
        lines.append(f"\tif ({condition}) {{")
        lines += [f"\t\t{line}" for line in body]
        lines.append("\t}")
    lines.append("}")
    return lines


def is_set(one):
    of = f"from->{one.name}"
    if one.is_array:
        return f"{of}_count > 0"
    if one.is_struct:
        return f"from->has_{one.name}"
    if one.type == "uuid":
        return f"!codec_kafka_uuid_is_zero({of})"
    if one.type in ("string", "bytes"):
        return f"{of}.data"
    return f"{of} != {one.default or 0}"


def write_tags(message, fields, versions):
    options, lines = tagged(fields), []
    if not options:
        return ["base_write_uvarint(encoder->writer, 0);"]
    for one in options:
        also = in_versions(one.versions, (max(versions[0], message.api.flexible), versions[1]), "encoder->version")
        lines.append(f"bool with_{one.name} = {is_set(one)}" + (f" && {also};" if also else ";"))
    total = " + ".join(f"with_{one.name}" for one in options)
    lines.append(f"base_write_uvarint(encoder->writer, {'(unsigned)' + total if len(options) == 1 else f'(unsigned)({total})'});")
    for one in options:
        lines.append(f"if (with_{one.name}) {{")
        lines.append("\tstruct base_writer value;")
        lines.append("\tstruct base_writer *outer = codec_kafka_begin_tag(encoder, &value);")
        lines += [f"\t{line}" for line in write_value(message, one)]
        lines.append(f"\tcodec_kafka_end_tag(encoder, outer, {one.tag});")
        lines.append("}")
    return lines


def default_of(one):
    if one.default is None:
        return None
    value = one.default
    if one.type == "int64" and abs(int(value)) > 2**31:
        value = "INT64_MAX"
    return f".{one.name} = {value}"


def struct_source(message, name, fields, versions):
    defaults = [default_of(one) for one in fields if default_of(one)]
    defaults += [
        f".{one.name} = {{{', '.join(default_of(inner) for inner in one.fields if default_of(inner))}}}"
        for one in fields
        if one.is_struct and not one.is_array and any(default_of(inner) for inner in one.fields)
    ]
    out = [f"const struct {name} {name}_default = {{{', '.join(defaults) or '0'}}};", ""]
    flexible = in_versions((message.api.flexible, VERSION_MAX), versions, "{}->version") if versions[1] >= message.api.flexible else "never"
    if flexible:
        flexible = flexible.split(" && ")[0] if message.api.flexible > versions[0] or flexible == "never" else None
    for direction in ("read", "write"):
        const, cursor, pointer = ("", "decoder", "to") if direction == "read" else ("const ", "encoder", "from")
        out.append(f"static void {direction}_{name}(struct codec_kafka_{cursor} *{cursor}, {const}struct {name} *{pointer})")
        out.append("{")
        if direction == "read":
            out.append(f"\t*to = {name}_default;")
        for one in fields:
            if one.tag is None:
                value = read_value(message, one) if direction == "read" else write_value(message, one)
                out += guarded(in_versions(one.versions, versions, f"{cursor}->version"), value)
        if flexible != "never":
            tags = (read_tags if direction == "read" else write_tags)(message, fields, versions)
            condition = flexible.format(cursor) if flexible else None
            out += guarded(condition, tags)
        out += ["}", ""]
    return out


def message_source(message):
    name, flexible = message.name, message.api.flexible
    low, high = message.api.versions
    check = f"\tassert(version >= {low} && version <= {high});" if low else f"\tassert(version >= 0 && version <= {high});"
    return [
        f"pyr_result {name}_decode(struct base_reader *reader, int version, struct codec_arena *arena,",
        f"\tstruct {name} *ret_message)",
        "{",
        check,
        "\tstruct codec_kafka_decoder decoder = {.reader = reader, .arena = arena, .version = version};",
        f"\tdecoder.flexible = version >= {flexible};",
        f"\tread_{name}(&decoder, ret_message);",
        "\treturn codec_kafka_decoder_check(&decoder);",
        "}",
        "",
        f"void {name}_encode(struct base_writer *writer, int version,",
        f"\tconst struct {name} *message)",
        "{",
        check,
        "\tstruct codec_kafka_encoder encoder = {.writer = writer, .version = version};",
        f"\tencoder.flexible = version >= {flexible};",
        f"\twrite_{name}(&encoder, message);",
        "}",
        "",
        f"static pyr_result decode_{name}(struct base_reader *reader, int version, struct codec_arena *arena, void *to)",
        "{",
        f"\treturn {name}_decode(reader, version, arena, to);",
        "}",
        "",
        f"static void encode_{name}(struct base_writer *writer, int version, const void *from)",
        "{",
        f"\t{name}_encode(writer, version, from);",
        "}",
        "",
    ]


def source(apis, records):
    out = ["/* Made by tools/kafka_messages.py from src/codec/kafka/messages.def: change those. Pure; any thread. */"]
    out += ['#include "codec/kafka/messages.h"', "", '#include "codec/kafka/api.h"', "", "#include <assert.h>", "#include <stddef.h>", ""]
    for api in apis + records:
        for message in api.messages:
            for name, fields, versions in structs_of(message):
                out += struct_source(message, name, fields, versions)
            out += message_source(message)
    out.append("const struct codec_kafka_api codec_kafka_apis[] = {")
    for api in apis:
        out.append(f'\t{{.key = {api.key}, .name = "{api.name}", .flexible_from = {api.flexible},')
        out.append(f"\t .version_min = {api.versions[0]}, .version_max = {api.versions[1]},")
        out.append(f"\t .advertised_min = {api.advertised[0]}, .advertised_max = {api.advertised[1]},")
        if any(one.name == "throttle_time_ms" for one in api.messages[1].fields):
            out.append(f"\t .throttle_at = offsetof(struct {api.messages[1].name}, throttle_time_ms), .has_throttle = true,")
        for message in api.messages:
            name = message.name
            row = f"{{sizeof(struct {name}), decode_{name}, encode_{name}}}"
            out.append(f"\t .{message.kind} = {row}" + ("," if message.kind == "request" else "},"))
    out += ["};", f"const size_t codec_kafka_api_count = {len(apis)};", ""]
    out.append("const struct codec_kafka_record_type codec_kafka_record_types[] = {")
    for record in records:
        name = record.messages[0].name
        row = f"{{sizeof(struct {name}), decode_{name}, encode_{name}}}"
        out.append(f'\t{{"{record.name}", {record.versions[0]}, {record.versions[1]}, {row}}},')
    out += ["};", f"const size_t codec_kafka_record_type_count = {len(records)};"]
    return out


FILL_OPENING = """/* Made by tools/kafka_messages.py: messages with random content, of what a version can carry. For tests.
 *
 * Define before including: uint32_t fill_below(uint32_t n), and static uint8_t fill_text[64]. */
#include "codec/kafka/messages.h"

static struct base_bytes fill_string(bool may_be_null)
{
	if (may_be_null && fill_below(3) == 0)
		return (struct base_bytes){0};
	return (struct base_bytes){fill_text, fill_below(sizeof fill_text)};
}

static struct codec_kafka_records fill_records(bool may_be_null)
{
	struct base_bytes bytes = fill_string(may_be_null);
	return (struct codec_kafka_records){.data = bytes.data, .bytes = bytes.bytes};
}

static int64_t fill_int64(void)
{
	return (int64_t)((uint64_t)fill_below(UINT32_MAX) << 32 | fill_below(UINT32_MAX));
}

static struct base_bytes fill_bytes(bool may_be_null)
{
	return fill_string(may_be_null);
}

static void fill_uuid(uint8_t *uuid)
{
	for (size_t i = 0; i < 16; i++)
		uuid[i] = (uint8_t)fill_below(256);
}
"""


def fill_one(one, to, may_be_null):
    if one.type == "uuid":
        return f"fill_uuid({to});"
    if one.type in SIZED:
        return f"{to} = fill_{one.type}({may_be_null});"
    if one.type == "bool":
        return f"{to} = fill_below(2);"
    return f"{to} = ({SCALARS[one.type][0]})fill_int64();"


def fill_value(message, one):
    to, may_be_null = f"to->{one.name}", nullable(one, "version")
    if one.is_array:
        lines = [f"{to}_count = fill_below(4);"]
        if one.null and one.tag is None:
            lines.append(f"if ({to}_count == 0 && ({may_be_null}) && fill_below(2))")
            lines.append("\t;")
            lines.append("else")
        pad = "\t" if one.null and one.tag is None else ""
        lines.append(f"{pad}{to} = codec_arena_alloc(arena, {to}_count, sizeof *{to});")
        lines.append(f"for (size_t i = 0; i < {to}_count; i++)")
        if one.is_struct:
            lines.append(f"\tfill_{message.name}_{one.type}(&{to}[i], version, arena);")
        else:
            lines.append(f"\t{fill_one(one, to + '[i]', 'false')}")
        return lines
    if one.is_struct:
        present = "true" if one.tag is not None else "fill_below(2)"
        has = [f"to->has_{one.name} = {present};"] if has_presence(one) else []
        condition = [f"if (to->has_{one.name})"] if has_presence(one) else []
        pad = "\t" if condition else ""
        return has + condition + [f"{pad}fill_{message.name}_{one.type}(&{to}, version, arena);"]
    return [fill_one(one, to, may_be_null)]


def fill(apis, records):
    out = FILL_OPENING.splitlines()
    for api in apis + records:
        for message in api.messages:
            for name, fields, versions in structs_of(message):
                out += ["", f"static void fill_{name}(struct {name} *to, int version, struct codec_arena *arena)", "{"]
                out += ["\t(void)version;", "\t(void)arena;", f"\t*to = {name}_default;"]
                for one in fields:
                    condition = in_versions(one.versions, versions, "version")
                    if one.tag is not None:
                        condition = "fill_below(2)" + (f" && {condition}" if condition else "")
                    out += guarded(condition, fill_value(message, one))
                out.append("}")
    out += ["", "typedef void fill_message(void *to, int version, struct codec_arena *arena);", ""]
    for api in apis + records:
        for message in api.messages:
            out.append(f"static void fill_any_{message.name}(void *to, int version, struct codec_arena *arena)")
            out += ["{", f"\tfill_{message.name}(to, version, arena);", "}", ""]
    out.append("/* In the order of codec_kafka_apis: request, response. */")
    out.append("static fill_message *const fill_messages[][2] = {")
    out += [f"\t{{fill_any_{api.messages[0].name}, fill_any_{api.messages[1].name}}}," for api in apis]
    out += ["};", "", "/* In the order of codec_kafka_record_types. */", "static fill_message *const fill_records_of[] = {"]
    out += [f"\tfill_any_{record.messages[0].name}," for record in records]
    out.append("};")
    return out


def main():
    if len(sys.argv) != 4 or sys.argv[2] not in ("header", "source", "fill"):
        sys.exit("usage: kafka_messages.py messages.def header|source|fill OUT")
    lines = {"header": header, "source": source, "fill": fill}[sys.argv[2]](*parse(sys.argv[1]))
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
