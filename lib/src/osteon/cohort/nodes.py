"""Sites into 3 to 6 nodes, as hospitals share computers: evenly, skewed, or by vendor.

A node is where the images of whole sites are trained on. Sites are dealt out by their number of images; of equal ones,
chance with a seed decides. Everything depends on the table's rows alone, not on their order.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import polars as pl

from osteon.cohort.split import Unsplittable

__all__ = ["HOW", "How", "with_nodes"]

How = Literal["even", "skewed", "vendor"]
HOW: tuple[How, ...] = ("even", "skewed", "vendor")
SKEW = 0.5  # each node has this share of the one before it: with six, the largest holds half of all images


def with_nodes(table: pl.DataFrame, *, n_nodes: int = 3, how: How = "even", seed: int = 0) -> pl.DataFrame:
    """The table with its column `node`: `node-1` (the one with most images, where skewed) to `node-<n_nodes>`.

    `even`: as equal in images as whole sites allow; `skewed`: each about half the one before; `vendor`: sites of one
    vendor together, and a vendor is shared between nodes only where there are fewer vendors than nodes. Raises
    Unsplittable where a case has no site (or no vendor, for `vendor`), or sites are fewer than nodes.
    """
    sites = _sites(table, seed)
    if not 3 <= n_nodes <= 6:
        raise Unsplittable(f"a federation here has 3 to 6 nodes, not {n_nodes}")
    if len(sites) < n_nodes:
        raise Unsplittable(f"{len(sites)} sites make no {n_nodes} nodes")
    sizes = dict(sites.select("site", "images").iter_rows())
    if how == "even":
        node_of = _dealt(sizes, [1.0] * n_nodes)
    elif how == "skewed":
        node_of = _dealt(sizes, [SKEW**n for n in range(n_nodes)])
    else:
        node_of = _by_vendor(table, sites, n_nodes)
    names = {site: f"node-{node + 1}" for site, node in node_of.items()}
    return table.with_columns(node=pl.col("site").replace_strict(names, return_dtype=pl.String))


def _sites(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Site and number of images, largest first; equal ones in a drawn order."""
    if n_missing := table["site"].null_count():
        raise Unsplittable(f"{n_missing} of {len(table)} cases have no site: without one there are no nodes")
    counts = table.group_by("site").agg(images=pl.len()).sort("site")
    return counts.sample(fraction=1, shuffle=True, seed=seed).sort("images", descending=True, maintain_order=True)


def _dealt(sizes: dict[str, int], shares: Sequence[float]) -> dict[str, int]:
    """Each site, in order, to the node that lacks most of its share; the first ones to nodes without any, so that
    none stays empty."""
    total, target = sum(sizes.values()), [share / sum(shares) for share in shares]
    held, node_of = [0.0] * len(shares), {}
    left = len(sizes)
    for site, images in sizes.items():
        empty = [node for node, has in enumerate(held) if not has]
        open_nodes = empty if len(empty) == left else range(len(shares))
        node = max(open_nodes, key=lambda one: target[one] * total - held[one])
        held[node] += images
        node_of[site] = node
        left -= 1
    return node_of


def _by_vendor(table: pl.DataFrame, sites: pl.DataFrame, n_nodes: int) -> dict[str, int]:
    """Whole vendors to nodes; the largest vendor that has several sites is halved until there are enough parts."""
    parts = _vendor_parts(table, sites)
    while len(parts) < n_nodes:
        divisible = [part for part in parts if len(part) > 1]
        largest = max(divisible, key=lambda part: sum(part.values()))
        parts.remove(largest)
        halves = _dealt(largest, [1.0, 1.0])
        parts += [{site: largest[site] for site in largest if halves[site] == half} for half in (0, 1)]
    parts.sort(key=lambda part: (-sum(part.values()), min(part)))
    node_of_part = _dealt({str(number): sum(part.values()) for number, part in enumerate(parts)}, [1.0] * n_nodes)
    return {site: node_of_part[str(number)] for number, part in enumerate(parts) for site in part}


def _vendor_parts(table: pl.DataFrame, sites: pl.DataFrame) -> list[dict[str, int]]:
    """For each vendor its sites with their images; a site with devices of several counts for the most frequent."""
    known = table.filter(pl.col("vendor").is_not_null())
    if silent := set(sites["site"]) - set(known["site"]):
        raise Unsplittable(f"{len(silent)} sites have no vendor: deal them out evenly instead")
    vendor_of: dict[str, str] = {}
    for site, vendors in known.group_by("site").agg("vendor").iter_rows():
        counted = Counter(vendors)
        vendor_of[site] = min(counted, key=lambda vendor: (-counted[vendor], vendor))
    parts: dict[str, dict[str, int]] = {}
    for site, images in sites.iter_rows():
        parts.setdefault(vendor_of[site], {})[site] = images
    return [parts[vendor] for vendor in sorted(parts)]
