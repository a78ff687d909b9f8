"""Writes the lists of this folder: `python tests/data/lists/make.py`. All numbers and names are invented.

Beside each list stands `NAME.expected.json`: line → text of the message, or the reason of the invalid row. It is
written by hand.
"""

from pathlib import Path

HERE = Path(__file__).parent
PEOPLE = [("11 2000-0001", "José Núñez", "1.500,00"), ("1120000002", "MUÑOZ, Raúl", "20"), ("1120000003", "Inés", "3")]


def rows(separator: str, end: str = "\r\n") -> str:
    """Return the people as delimited text."""
    lines = [separator.join(("Teléfono", "Nombre", "Saldo")), *(separator.join(row) for row in PEOPLE)]
    return end.join(lines) + end


LISTS: dict[str, bytes] = {
    "dos_cp850.csv": rows(";").encode("cp850"),
    "mac_old.csv": rows(";", "\r").encode("mac_roman"),
    "excel_unicode_text.txt": rows("\t").encode("utf-16"),
    "twice_encoded.csv": rows(";").encode().decode("latin-1").encode(),
    "pipes.csv": rows("|").encode("cp1252"),
    "double_cr.csv": rows(";", "\r\r\n").encode(),
    "padded.csv": "telefono ; nombre    ;saldo\n1120000001  ;  José\u00a0\u00a0Núñez   ;\t1.500,00 \n;;\n".encode(),
    "title.csv": ("Clientes morosos;;\n\n" + rows(";", "\n")).encode(),
    "whole_lines_quoted.csv": "".join(f'"{line}"\n' for line in rows(";", "\n").splitlines()).encode(),
    "sep_line.csv": ("sep=;\n" + rows(";", "\n")).encode("cp1252"),
    "guarded.csv": b'="telefono";="nombre";="saldo"\n="1120000001";="Ana";="0010"\n',
    "single_quotes.csv": "'telefono','nombre','saldo'\n'1120000001','Núñez, José','1.500,00'\n".encode(),
    "words_for_nothing.csv": b"telefono;nombre;saldo\n1120000001;S/D;1\n1120000002;Ana;NA\n.;Sol;3\n",
    "formulas.csv": b"telefono;nombre;saldo\n1120000001;=A1;1\n1120000002;Ana;#N/A N/A\n=B2+1;Sol;3\n1120000004;=)Eva;4\n",
    "shortened.csv": b"telefono;nombre;saldo\n5,49112E+12;Ana;1\n1120000002;Sol;1,5E+03\n1120000003;Eva;1E3\n",
    "lost_letters.csv": b"telefono;nombre;saldo\n1120000001;Mu?oz;1\n1120000002;?lvarez;2\n1120000003;Ana?;3\n",
    "html_signs.csv": b"telefono,nombre,saldo\n1120000001,Mu&ntilde;oz,1\n1120000002,Jos&#233;,2\n1120000003,R&D,3\n",
    "headings_again.csv": b"telefono;nombre;saldo\n1120000001;Ana;1\nTelefono;Nombre;Saldo\n1120000002;Sol;2\nTOTAL;;3\n",
    "dollar_before_words.csv": b"telefono;nombre;saldo\n1120000001;Ana;sin deuda\n1120000002;Sol;$ 20\n1120000003;Eva;5\n",
    "emoji.csv": "telefono;nombre;saldo\n1120000001;Ana 😀;1\n1120000002;🎉 Sol;2\n".encode(),
    "keys_differ.jsonl": (
        '{"telefono": "1120000001", "nombre": "José Núñez", "saldo": "1.500,00"}\n'
        '{"TELÉFONO": 1120000002, "Nombre": "Raúl", "saldo": NaN}\n'
        '{"Saldo": 3, "Nombre": "Inés", "telefono": 1120000003}\n'
        '{"telefono": "", "nombre": null}\n'
    ).encode(),
}

if __name__ == "__main__":
    for name, data in LISTS.items():
        (HERE / name).write_bytes(data)
