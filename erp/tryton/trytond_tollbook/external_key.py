# SPDX-License-Identifier: GPL-3.0-or-later
"""An external key on invoices and moves, so that a sender can post a document exactly once."""

from trytond.model import Index, Unique, fields
from trytond.pool import PoolMeta


class KeyedDocument:
    __slots__ = ()

    # Not stripped: the key found later must be the key that was sent, byte for byte.
    external_key = fields.Char(
        "External Key",
        strip=False,
        help="The sender's name for this document. Unique in the company.",
    )

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints.append(
            (
                "external_key_used",
                Unique(table, table.company, table.external_key),
                "tollbook.msg_external_key_used",
            )
        )
        cls._sql_indexes.add(Index(table, (table.external_key, Index.Equality())))

    @classmethod
    def copy(cls, records, default=None):
        # A copy is a new document. Its sender has not named it yet.
        default = dict(default or {})
        default.setdefault("external_key", None)
        return super().copy(records, default=default)


class Invoice(KeyedDocument, metaclass=PoolMeta):
    __name__ = "account.invoice"


class Move(KeyedDocument, metaclass=PoolMeta):
    __name__ = "account.move"
