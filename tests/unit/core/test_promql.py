"""Queries of users: what is filled in, and what is refused because it could read another namespace."""

from __future__ import annotations

import pytest
from pintle.core.promql import QueryInvalid, check_namespace, filled_in

VALUES = {"namespace": "team", "deployment": "delays", "revision": "0b98ee7c"}


def test_names_are_filled_in() -> None:
    """With and without braces, as often as they stand there."""
    query = 'a{namespace="$namespace",d="${deployment}-x"} / b{namespace="$namespace",r="$revision"}'
    assert filled_in(query, VALUES) == ('a{namespace="team",d="delays-x"} / b{namespace="team",r="0b98ee7c"}')


def test_an_unknown_name_is_refused() -> None:
    """A slip of the pen must not become a query that matches nothing."""
    with pytest.raises(QueryInvalid, match=r"\$revison is none of \$namespace, \$deployment, \$revision"):
        filled_in('a{r="$revison"}', VALUES)


@pytest.mark.parametrize(
    "query",
    [
        'a{namespace="team"}',
        "a{namespace='team'}",
        "a{`namespace`=`team`}",
        '{__name__=~"a.*", namespace="team", pod!="x"}',
        'sum by (le) (rate(a{namespace="team"}[1m] offset 5m)) / on () b{namespace="team"} @ end()',
        'histogram_quantile(0.9, sum by (le) (rate(a_bucket{namespace="team"}[30s])))',
        'max_over_time(rate(a{namespace="team"}[1m])[5m:1s])',
        'a{namespace="team"} # } or b{x="y"}',
        'a{namespace="team", x="} or b{"}',
        "1 + 1",
    ],
)
def test_queries_of_their_own_namespace_pass(query: str) -> None:
    """Every selector carries namespace="team", at whatever depth."""
    check_namespace(query, "team")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("a", "a needs"),
        ('a{namespace="other"}', "a needs"),
        ('a{namespace=~"team"}', "a needs"),
        ('a{namespace=~".*"}', "a needs"),
        ('a{namespace!="other"}', "a needs"),
        ('a{exported_namespace="team"}', "a needs"),
        ('a{namespace="team"} or b', "b needs"),
        ('a{namespace="team"} / on () group_left () (b)', "b needs"),
        ('a{x="namespace=\\"team\\""}', "a needs"),
        ('a{x="y" # namespace="team"\n}', "a needs"),
        ('{__name__="a"}', "needs"),
        ("rate(a[5m])", "a needs"),
        ("max_over_time(rate(a[1m])[5m:1s])", "a needs"),
        ('topk(scalar(k), a{namespace="team"})', "k needs"),
        ('quantile(scalar(q), a{namespace="team"})', "q needs"),
        ('histogram_quantile(scalar(q), a{namespace="team"})', "q needs"),
        ("-a", "a needs"),
        ('a{namespace="team" or x="y"}', "needs"),
        ("absent(a)", "a needs"),
    ],
)
def test_a_selector_that_is_not_bound_is_named(query: str, named: str) -> None:
    """The message says which one and what it lacks."""
    with pytest.raises(QueryInvalid, match=named) as caught:
        check_namespace(query, "team")
    assert 'namespace="$namespace"' in str(caught.value)


@pytest.mark.parametrize("query", ["", "sum(", 'a{namespace="team"', "select * from a"])
def test_what_is_no_promql_is_refused(query: str) -> None:
    """Before it is sent."""
    with pytest.raises(QueryInvalid, match="it is no PromQL"):
        check_namespace(query, "team")


def test_functions_that_read_by_themselves_are_refused() -> None:
    """info() joins series that no selector of the query names."""
    with pytest.raises(QueryInvalid, match="leave it out"):
        check_namespace('info(a{namespace="team"})', "team")
