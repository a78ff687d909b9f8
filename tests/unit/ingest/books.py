"""Workbooks written part by part, for what no library writes: odd names, other dialects, bombs."""

from __future__ import annotations

import io
import zipfile
from typing import Any

_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
TRANSITIONAL = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
_OFFICE = {
    TRANSITIONAL: "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    STRICT: "http://purl.oclc.org/ooxml/officeDocument/relationships",
}
_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"


def cell(at: str, value: Any, style: int = 0, kind: str = "") -> str:
    """Return the XML of a cell; a text is written into it."""
    if kind:
        return f'<c r="{at}" s="{style}" t="{kind}"><v>{value}</v></c>'
    if isinstance(value, str):
        return f'<c r="{at}" s="{style}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{at}" s="{style}"><v>{value}</v></c>'


def rows(*lines: list[str], first: int = 1) -> str:
    """Return the XML of rows."""
    return "".join(f'<row r="{n}">{"".join(line)}</row>' for n, line in enumerate(lines, first))


def book(
    *sheets: str,
    formats: tuple[str, ...] = (),
    main: str = "xl/workbook.xml",
    namespace: str = TRANSITIONAL,
    prefix: str = "",
    names: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
    above: str = "",
    parts: dict[str, str | bytes] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """Return a workbook with these contents of `sheetData`; the style n is the nth of `formats`, from 1."""
    folder = main.rpartition("/")[0] + "/" if "/" in main else ""
    office = _OFFICE[namespace]
    p = f"{prefix}:" if prefix else ""
    declared = f'xmlns{":" + prefix if prefix else ""}="{namespace}" xmlns:r="{office}"'

    def escaped(code: str) -> str:
        return code.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")

    kinds = [("worksheet", f"sheets/page{n}.xml") for n in range(1, len(sheets) + 1)] + [("styles", "looks.xml")]
    kinds += [("sharedStrings", "words.xml")] if parts and folder + "words.xml" in parts else []
    related = "".join(
        f'<Relationship Id="r{n}" Type="{office}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(kinds, 1)
    )
    listed = "".join(
        f'<{p}sheet name="{names[n - 1] if names else f"Hoja{n}"}" sheetId="{n}" r:id="r{n}" '
        f'state="{states[n - 1] if states else "visible"}"/>'
        for n in range(1, len(sheets) + 1)
    )
    numbers = "".join(f'<{p}numFmt numFmtId="{200 + n}" formatCode="{escaped(c)}"/>' for n, c in enumerate(formats))
    styles = f'<{p}xf numFmtId="0"/>' + "".join(f'<{p}xf numFmtId="{200 + n}"/>' for n in range(len(formats)))
    written: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{_MAIN}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="a" Type="{office}/officeDocument" '
        f'Target="/{main}"/></Relationships>',
        f"{folder}_rels/{main.rpartition('/')[2]}.rels": f'<Relationships xmlns="{_RELATIONS}">{related}</Relationships>',
        main: f"<{p}workbook {declared}><{p}sheets>{listed}</{p}sheets></{p}workbook>",
        f"{folder}looks.xml": f"<{p}styleSheet {declared}><{p}numFmts>{numbers}</{p}numFmts>"
        f"<{p}cellXfs>{styles}</{p}cellXfs></{p}styleSheet>",
    }
    for n, data in enumerate(sheets, 1):
        if prefix:
            for tag in ("row", "c", "v", "is", "t"):
                data = data.replace(f"<{tag} ", f"<{p}{tag} ").replace(f"<{tag}>", f"<{p}{tag}>")
                data = data.replace(f"</{tag}>", f"</{p}{tag}>")
        written[f"{folder}sheets/page{n}.xml"] = (
            f"<{p}worksheet {declared}>{above}<{p}sheetData>{data}</{p}sheetData></{p}worksheet>"
        )
    written |= parts or {}
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w", compression) as archive:
        for part, content in written.items():
            archive.writestr(part, content)
    return saved.getvalue()
