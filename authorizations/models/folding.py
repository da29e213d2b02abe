"""Names as the database folds them, for lists to be searched by: rules.folding in SQL.

The migration has the function itself. Where a list is long, the folded name is a column that the
database keeps beside the name; elsewhere it is folded when it is read.
"""

from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Func, GeneratedField, Lookup, TextField

if TYPE_CHECKING:
    Base = Lookup[str]
else:
    Base = Lookup


class Folded(Func):
    """A name as searches compare it."""

    function = "authorizations_folded"
    output_field = TextField()


def folded_column(name: str) -> Any:
    """A column with the folded text of another."""
    return GeneratedField(expression=Folded(name), output_field=TextField(), db_persist=True)


class _Contains(Base):
    """Whether a folded text has the folded term in it; a term that folds to nothing is in none."""

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
    """`folded_name__contains_folded="Lumière"`: of a column that is folded already."""

    lookup_name = "contains_folded"
    lhs_is_folded = True
