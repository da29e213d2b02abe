"""Searches for folded names: rules.folding in SQL.

The function itself is in the migration. For long lists, the folded name is a generated column;
otherwise names are folded when they are read.
"""

from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Func, GeneratedField, Lookup, TextField

if TYPE_CHECKING:
    Base = Lookup[str]
else:
    Base = Lookup


class Folded(Func):
    """A name in the form that searches compare."""

    function = "authorizations_folded"
    output_field = TextField()


def folded_column(name: str) -> Any:
    """A generated column with the folded text of the column `name`."""
    return GeneratedField(expression=Folded(name), output_field=TextField(), db_persist=True)


class _Contains(Base):
    """Whether a folded text contains the folded term; False if the term folds to nothing."""

    lhs_is_folded = False
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        found, found_params = self.process_lhs(compiler, connection)
        term, term_params = self.process_rhs(compiler, connection)
        found = found if self.lhs_is_folded else f"authorizations_folded({found})"
        sought = f"nullif(authorizations_folded({term}::text), '')"
        return f"strpos({found}, {sought}) > 0", (*found_params, *term_params)


@CharField.register_lookup
class FoldedContains(_Contains):
    """`name__folded_contains="lumiere"`."""

    lookup_name = "folded_contains"


@TextField.register_lookup
class ContainsFolded(_Contains):
    """`folded_name__contains_folded="Lumière"`: for a column that is folded already."""

    lookup_name = "contains_folded"
    lhs_is_folded = True
