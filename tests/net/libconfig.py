# SPDX-License-Identifier: BSD-3-Clause
"""Writes Python values as libconfig text, so that a test states its configuration as data."""


def _scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -2**31 <= value < 2**31 else f"{value}L"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(value, indent):
    pad = "  " * indent
    if isinstance(value, dict):
        return "{\n" + _members(value, indent + 1) + pad + "}"
    if isinstance(value, (list, tuple)):
        items = [_value(item, indent + 1) for item in value]
        # libconfig: [ ] holds scalars of one type, ( ) anything.
        is_array = items and not isinstance(value[0], (dict, list)) and len({type(i) for i in value}) == 1
        left, right = ("[", "]") if is_array else ("(", ")")
        return f"{left} {', '.join(items)} {right}" if items else "()"
    return _scalar(value)


def _members(group, indent):
    pad = "  " * indent
    return "".join(f"{pad}{key} = {_value(value, indent)};\n" for key, value in group.items())


def text(conf):
    return _members(conf, 0)
