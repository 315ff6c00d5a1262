"""Qdrant's REST interface on Qdrant Edge: python3 qdrant-server.py PORT DATA_FOLDER

No registry has the Qdrant server, but its own engine for devices (the package qdrant-edge-py: the segments, indexes, filters,
scoring and write-ahead log of the server's source) is one. What stands here in place of the server is the outermost layer
alone: it turns the JSON of a request into calls of the engine, and keeps a folder for each collection. A field or route that it
does not know is refused with 501, so that no test passes because something was ignored. There is one shard, no cluster, no
API key and no snapshot; every update is complete when it is answered.
"""

import json
import shutil
import signal
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import qdrant_edge as edge

VERSION = "1.18.0"  # the release whose interface this is, for clients that compare versions


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def take(value, *names):
    """The named fields of an object, None where one is missing. Others are refused."""
    if not isinstance(value, dict):
        raise Refused(400, f"Format error in JSON body: expected an object with {', '.join(names)}")
    for name in value:
        if name not in names and value[name] is not None:
            raise Refused(501, f"The test server does not know the field {name}")
    return [value.get(name) for name in names]


def required(value, name):
    if value is None:
        raise Refused(400, f"Format error in JSON body: missing field `{name}`")
    return value


def one_of(kind, name, value):
    """The member of an enumeration, by its name in JSON."""
    for member in dir(kind):
        if not member.startswith("_") and member.lower() == str(value).lower():
            return getattr(kind, member)
    raise Refused(400, f"Format error in JSON body: {name} is not known: {value}")


# Filters


def to_filter(value):
    if value is None:
        return None
    must, should, must_not, min_should = take(value, "must", "should", "must_not", "min_should")
    if min_should is not None:
        conditions, count = take(min_should, "conditions", "min_count")
        min_should = edge.MinShould(to_conditions(conditions), count)
    return edge.Filter(to_conditions(must), to_conditions(should), to_conditions(must_not), min_should)


def to_conditions(values):
    if values is None:
        return None
    return [to_condition(value) for value in (values if isinstance(values, list) else [values])]


def to_condition(value):
    if "key" in value:
        return to_field_condition(value)
    if "is_empty" in value:
        return edge.IsEmptyCondition(value["is_empty"]["key"])
    if "is_null" in value:
        return edge.IsNullCondition(value["is_null"]["key"])
    if "has_id" in value:
        return edge.HasIdCondition({point_id(item) for item in value["has_id"]})
    if "has_vector" in value:
        return edge.HasVectorCondition(value["has_vector"])
    if "nested" in value:
        return edge.NestedCondition(value["nested"]["key"], to_filter(value["nested"]["filter"]))
    return to_filter(value)


def to_field_condition(value):
    key, match, limits, count, is_empty, is_null = take(value, "key", "match", "range", "values_count", "is_empty", "is_null")
    if match is not None:
        match = to_match(match)
    if limits is not None:
        take(limits, "gte", "gt", "lte", "lt")
        dates = any(isinstance(item, str) for item in limits.values())
        limits = (edge.RangeDateTime if dates else edge.RangeFloat)(**limits)
    if count is not None:
        count = edge.ValuesCount(**count)
    return edge.FieldCondition(key, match=match, range=limits, values_count=count, is_empty=is_empty, is_null=is_null)


def to_match(value):
    kinds = {
        "value": edge.MatchValue,
        "any": edge.MatchAny,
        "except": edge.MatchExcept,
        "text": edge.MatchText,
        "text_any": edge.MatchTextAny,
        "phrase": edge.MatchPhrase,
    }
    take(value, *kinds)
    [(kind, operand)] = value.items()
    return kinds[kind](operand)


# Points and vectors


def point_id(value):
    if isinstance(value, bool) or not isinstance(value, (int, str)) or (isinstance(value, int) and not 0 <= value < 2**64):
        raise Refused(400, f"Format error in JSON body: value {value} is not a valid point ID, valid values are either an unsigned integer or a UUID")
    return value


def to_vector(value):
    if isinstance(value, dict):
        if set(value) == {"indices", "values"}:
            return edge.SparseVector(value["indices"], value["values"])
        if "text" in value or "image" in value or "object" in value:
            raise Refused(501, "The test server does not embed")
        return {name: to_vector(vector) for name, vector in value.items()}
    return value


def from_vector(value):
    if isinstance(value, edge.SparseVector):
        return {"indices": value.indices, "values": value.values}
    if isinstance(value, dict):
        return {name: from_vector(vector) for name, vector in value.items()}
    return value


def to_points(points, batch):
    if batch is not None:
        ids, vectors, payloads = take(batch, "ids", "vectors", "payloads")
        if isinstance(vectors, dict):
            vectors = [dict(zip(vectors, row)) for row in zip(*vectors.values())]
        points = [{"id": i, "vector": v, "payload": p} for i, v, p in zip(ids, vectors, payloads or [None] * len(ids))]
    result = []
    for point in required(points, "points"):
        identity, vector, payload = take(point, "id", "vector", "payload")
        result.append(edge.Point(point_id(required(identity, "id")), to_vector(required(vector, "vector")), payload))
    return result


def from_id(value):
    return value if isinstance(value, int) else str(value)


def from_record(record):
    return strip({"id": from_id(record.id), "payload": record.payload, "vector": from_vector(record.vector), "order_value": record.order_value})


def from_scored(point):
    return strip({**from_record(point), "version": point.version, "score": point.score})


def strip(value):
    return {name: item for name, item in value.items() if item is not None}


def with_payload(value, default):
    if isinstance(value, dict):
        raise Refused(501, "The test server selects payload by a list of names, and by true and false")
    return default if value is None else value


# Queries


def to_query(shard, value, using):
    """What to score by, and the id that must not be among the results: that of the point whose vector is looked up."""
    if value is None:
        return None, None
    if isinstance(value, (int, str)):
        [*found] = shard.retrieve([point_id(value)], False, True)
        if not found:
            raise Refused(404, f"Not found: No point with id {value} found")
        vector = found[0].vector
        if isinstance(vector, dict):
            vector = required(vector.get(using or ""), f"vector {using}")
        return edge.Query.Nearest(vector, using), value
    if isinstance(value, list) or set(value) == {"indices", "values"}:
        return edge.Query.Nearest(to_vector(value), using), None
    if "nearest" in value:
        nearest, mmr = take(value, "nearest", "mmr")
        if mmr is not None:
            diversity, limit = take(mmr, "diversity", "candidates_limit")
            return edge.Mmr(to_vector(nearest), 1 - (0.5 if diversity is None else diversity), limit or 100, using), None
        return to_query(shard, nearest, using)
    if "fusion" in value:
        return {"rrf": edge.Fusion.Rrf(2), "dbsf": edge.Fusion.Dbsf()}[value["fusion"]], None
    if "rrf" in value:
        k, weights = take(value["rrf"], "k", "weights")
        return edge.Fusion.Rrf(2 if k is None else k, weights), None
    if "order_by" in value:
        return to_order(value["order_by"]), None
    if value.get("sample") == "random":
        return edge.Sample.Random, None
    raise Refused(501, f"The test server does not know the query {', '.join(value)}")


def to_order(value):
    if value is None:
        return None
    key, direction, start = (value, None, None) if isinstance(value, str) else take(value, "key", "direction", "start_from")
    return edge.OrderBy(key, None if direction is None else one_of(edge.Direction, "direction", direction), start)


def to_params(value):
    if value is None:
        return None
    ef, exact, indexed_only = take(value, "hnsw_ef", "exact", "indexed_only")
    return edge.SearchParams(hnsw_ef=ef, exact=bool(exact), indexed_only=bool(indexed_only))


def to_prefetches(shard, values):
    result = []
    for value in [values] if isinstance(values, dict) else values or []:
        query, using, prefetch, where, params, threshold, limit = take(
            value, "query", "using", "prefetch", "filter", "params", "score_threshold", "limit"
        )
        scoring, _ = to_query(shard, query, using)
        result.append(edge.Prefetch(limit or 10, scoring, to_prefetches(shard, prefetch), to_params(params), to_filter(where), threshold))
    return result


def query_points(shard, body):
    names = ["query", "using", "prefetch", "filter", "params", "score_threshold", "limit", "offset", "with_vector", "with_payload"]
    query, using, prefetch, where, params, threshold, limit, offset, vector, payload = take(body, *names)
    scoring, excluded = to_query(shard, query, using)
    condition = to_filter(where)
    if excluded is not None:
        condition = edge.Filter(must=[condition] if condition else None, must_not=[edge.HasIdCondition({excluded})])
    request = edge.QueryRequest(
        limit=10 if limit is None else limit,
        offset=offset or 0,
        query=scoring,
        prefetches=to_prefetches(shard, prefetch),
        with_vector=vector or False,
        with_payload=with_payload(payload, False),
        filter=condition,
        score_threshold=threshold,
        params=to_params(params),
    )
    return [from_scored(point) for point in shard.query(request)]


def search_points(shard, body):
    """The older form of a query."""
    body = dict(body)
    vector = required(body.pop("vector", None), "vector")
    if isinstance(vector, dict) and "name" in vector:
        body["using"], vector = take(vector, "name", "vector")
    return query_points(shard, {**body, "query": vector})


def scroll_points(shard, body):
    names = ["offset", "limit", "filter", "with_payload", "with_vector", "order_by"]
    offset, limit, where, payload, vector, order = take(body, *names)
    if limit is not None and limit < 1:
        raise Refused(422, "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]")
    request = edge.ScrollRequest(offset, limit or 10, to_filter(where), with_payload(payload, True), vector or False, to_order(order))
    records, following = shard.scroll(request)
    return {"points": [from_record(record) for record in records], "next_page_offset": None if following is None else from_id(following)}


def retrieve_points(shard, body):
    ids, payload, vector = take(body, "ids", "with_payload", "with_vector")
    ids = [point_id(value) for value in required(ids, "ids")]
    return [from_record(record) for record in shard.retrieve(ids, with_payload(payload, True), vector or False)]


def count_points(shard, body):
    exact, where = take(body, "exact", "filter")
    return {"count": shard.count(edge.CountRequest(exact is not False, to_filter(where)))}


def facet(shard, body):
    key, limit, exact, where = take(body, "key", "limit", "exact", "filter")
    answer = shard.facet(edge.FacetRequest(key, limit or 10, bool(exact), to_filter(where)))
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in answer.hits]}


# Updates: each returns the operations to carry out


def by_selection(name, points, where, *rest):
    """The operation on ids, or on all that pass a filter."""
    if points is not None:
        return [getattr(edge.UpdateOperation, name)([point_id(value) for value in points], *rest)]
    if where is not None:
        return [getattr(edge.UpdateOperation, f"{name}_by_filter")(to_filter(where), *rest)]
    raise Refused(400, "Bad request: either list of point ids or filter must be provided")


def upsert(body):
    points, batch, where, mode = take(body, "points", "batch", "update_filter", "update_mode")
    mode = None if mode is None else one_of(edge.UpdateMode, "update_mode", mode.replace("_", ""))
    return [edge.UpdateOperation.upsert_points(to_points(points, batch), to_filter(where), mode)]


def delete(body):
    return by_selection("delete_points", *take(body, "points", "filter"))


def set_payload(body):
    points, where, payload, key = take(body, "points", "filter", "payload", "key")
    return by_selection("set_payload", points, where, required(payload, "payload"), key)


def overwrite_payload(body):
    points, where, payload, key = take(body, "points", "filter", "payload", "key")
    return by_selection("overwrite_payload", points, where, required(payload, "payload"), key)


def delete_payload(body):
    points, where, keys = take(body, "points", "filter", "keys")
    return by_selection("delete_payload", points, where, required(keys, "keys"))


def clear_payload(body):
    return by_selection("clear_payload", *take(body, "points", "filter"))


def update_vectors(body):
    points, where = take(body, "points", "update_filter")
    vectors = [edge.PointVectors(point_id(point["id"]), to_vector(point["vector"])) for point in required(points, "points")]
    return [edge.UpdateOperation.update_vectors(vectors, to_filter(where))]


def delete_vectors(body):
    points, where, names = take(body, "points", "filter", "vector")
    return by_selection("delete_vectors", points, where, required(names, "vector"))


def batch(body):
    kinds = [upsert, delete, set_payload, overwrite_payload, delete_payload, clear_payload, update_vectors, delete_vectors]
    by_name = {kind.__name__: kind for kind in kinds}
    [operations] = take(body, "operations")
    result = []
    for operation in required(operations, "operations"):
        take(operation, *by_name)
        [(name, part)] = operation.items()
        result += by_name[name](part)
    return result


def create_index(body):
    field, schema = take(body, "field_name", "field_schema")
    options = {} if isinstance(schema, str) else dict(required(schema, "field_schema"))
    kind = schema if isinstance(schema, str) else options.pop("type")
    if "tokenizer" in options:
        options["tokenizer"] = one_of(edge.TokenizerType, "tokenizer", options["tokenizer"])
    names = ["is_tenant", "is_principal", "on_disk", "lookup", "range", "tokenizer", "min_token_len", "max_token_len", "lowercase"]
    take(options, *names, "phrase_matching", "ascii_folding")
    one_of(edge.PayloadSchemaType, "field_schema", kind)
    params = getattr(edge, f"{kind.capitalize()}IndexParams")(**options) if options else one_of(edge.PayloadSchemaType, "type", kind)
    return [edge.UpdateOperation.create_field_index(required(field, "field_name"), params)]


# Collections


def to_config(body):
    vectors, sparse, on_disk, *_ = take(
        body, "vectors", "sparse_vectors", "on_disk_payload", "shard_number", "replication_factor", "write_consistency_factor", "hnsw_config",
        "optimizers_config", "metadata",
    )  # fmt: skip
    hnsw = body.get("hnsw_config")
    optimizers = body.get("optimizers_config")
    return edge.EdgeConfig(
        vectors=to_vector_params(vectors),
        sparse_vectors={name: to_sparse_params(value) for name, value in sparse.items()} if sparse else None,
        on_disk_payload=on_disk,
        hnsw_config=to_hnsw(hnsw),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=take(optimizers, "indexing_threshold")[0]) if optimizers else None,
    )


def to_vector_params(value):
    if value is None:
        return None
    if "size" not in value:
        return {name: to_vector_params(params) for name, params in value.items()}
    size, distance, on_disk, hnsw, datatype, multivector = take(value, "size", "distance", "on_disk", "hnsw_config", "datatype", "multivector_config")
    if not isinstance(size, int) or not 1 <= size <= 65536:
        raise Refused(422, f"Validation error in JSON body: [vectors.size: value {size} invalid, must be from 1 to 65536]")
    return edge.EdgeVectorParams(
        size,
        one_of(edge.Distance, "distance", required(distance, "distance")),
        on_disk=on_disk,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim) if multivector else None,
        datatype=one_of(edge.VectorStorageDatatype, "datatype", datatype) if datatype else None,
        hnsw_config=to_hnsw(hnsw),
    )


def to_sparse_params(value):
    modifier, index = take(value, "modifier", "index")
    take(index or {}, "on_disk")
    return edge.EdgeSparseVectorParams(modifier=one_of(edge.Modifier, "modifier", modifier) if modifier else None)


def to_hnsw(value):
    if value is None:
        return None
    m, ef, threshold, payload_m = take(value, "m", "ef_construct", "full_scan_threshold", "payload_m")
    return edge.HnswIndexConfig(
        16 if m is None else m, 100 if ef is None else ef, 10_000 if threshold is None else threshold, payload_m=payload_m
    )


class Collection:
    def __init__(self, folder, body=None):
        self.folder, self.lock, self.operations, self.changed = folder, threading.RLock(), 0, 0
        if body is None:
            self.body = json.loads((folder / "collection.json").read_text())
            self.shard = edge.EdgeShard.load(str(folder / "shard"))
        else:
            self.body, config = body, to_config(body)
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "shard").mkdir(parents=True)
            self.shard = edge.EdgeShard.create(str(folder / "shard"), config)
            (folder / "collection.json").write_text(json.dumps(body))

    def update(self, operations):
        with self.lock:
            for operation in operations:
                self.shard.update(operation)
                self.operations += 1
            self.changed += len(operations)
        return {"operation_id": self.operations, "status": "completed"}

    def info(self):
        info, body = self.shard.info(), self.body
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": info.points_count,
            "indexed_vectors_count": info.indexed_vectors_count,
            "segments_count": info.segments_count,
            "config": {
                "params": {
                    "vectors": body.get("vectors") or {},
                    **({"sparse_vectors": body["sparse_vectors"]} if body.get("sparse_vectors") else {}),
                    "shard_number": 1,
                    "replication_factor": 1,
                    "write_consistency_factor": 1,
                    "on_disk_payload": bool(body.get("on_disk_payload")),
                },
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, **(body.get("hnsw_config") or {})},
                "optimizer_config": {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, **(body.get("optimizers_config") or {})},
                "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
                **({"metadata": body["metadata"]} if body.get("metadata") else {}),
            },
            "payload_schema": {
                name: {"data_type": str(index.data_type).split(".")[-1].lower(), "points": index.points}
                for name, index in info.payload_schema.items()
            },
        }


class Collections:
    def __init__(self, folder):
        self.folder, self.lock, self.by_name, self.aliases = folder, threading.RLock(), {}, {}
        folder.mkdir(parents=True, exist_ok=True)
        for child in folder.iterdir():
            if (child / "collection.json").exists():
                self.by_name[bytes.fromhex(child.name).decode()] = Collection(child)
        if (folder / "aliases.json").exists():
            self.aliases = json.loads((folder / "aliases.json").read_text())

    def get(self, name):
        found = self.by_name.get(self.aliases.get(name, name))
        if found is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def create(self, name, body):
        with self.lock:
            if name in self.by_name or name in self.aliases:
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            if not 0 < len(name.encode()) < 120 or any(character in '<>:"/\\|?*\0' for character in name):
                raise Refused(422, f"Validation error in path: collection name {name!r} is invalid")
            self.by_name[name] = Collection(self.folder / name.encode().hex(), body)
        return True

    def drop(self, name):
        with self.lock:
            found = self.by_name.pop(name, None)
            if found is None:
                return False
            self.aliases = {alias: target for alias, target in self.aliases.items() if target != name}
        with found.lock:
            found.shard.close()
            shutil.rmtree(found.folder)
        return True

    def change_aliases(self, body):
        [actions] = take(body, "actions")
        with self.lock:
            for action in required(actions, "actions"):
                create, remove, rename = take(action, "create_alias", "delete_alias", "rename_alias")
                if create:
                    self.get(create["collection_name"])
                    self.aliases[create["alias_name"]] = create["collection_name"]
                if remove:
                    self.aliases.pop(remove["alias_name"], None)
                if rename:
                    self.aliases[rename["new_alias_name"]] = self.aliases.pop(rename["old_alias_name"])
            (self.folder / "aliases.json").write_text(json.dumps(self.aliases))
        return True

    def list_aliases(self, name=None):
        return {"aliases": [{"alias_name": a, "collection_name": c} for a, c in self.aliases.items() if name in (None, c)]}

    def optimize(self):
        """Builds indexes and removes what was deleted, as the server does in the background."""
        while True:
            time.sleep(0.5)
            for collection in list(self.by_name.values()):
                if collection.changed > 0:
                    collection.changed = 0
                    try:
                        collection.shard.optimize()
                    except Exception:
                        traceback.print_exc()

    def close(self):
        for collection in self.by_name.values():
            with collection.lock:
                collection.shard.flush()
                collection.shard.close()


READS = {
    "query": lambda shard, body: {"points": query_points(shard, body)},
    "query/batch": lambda shard, body: [{"points": query_points(shard, search)} for search in body["searches"]],
    "search": search_points,
    "search/batch": lambda shard, body: [search_points(shard, search) for search in body["searches"]],
    "scroll": scroll_points,
    "count": count_points,
    "": retrieve_points,
}
UPDATES = {
    ("PUT", ""): upsert,
    ("POST", "delete"): delete,
    ("POST", "payload"): set_payload,
    ("PUT", "payload"): overwrite_payload,
    ("POST", "payload/delete"): delete_payload,
    ("POST", "payload/clear"): clear_payload,
    ("PUT", "vectors"): update_vectors,
    ("POST", "vectors/delete"): delete_vectors,
}


def answer(collections, method, path, body):
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match (method, *parts):
        case ("GET", "collections"):
            return {"collections": [{"name": name} for name in collections.by_name]}
        case ("GET", "aliases"):
            return collections.list_aliases()
        case ("POST", "collections", "aliases"):
            return collections.change_aliases(body)
        case ("PUT", "collections", name):
            return collections.create(name, body)
        case ("GET", "collections", name):
            return collections.get(name).info()
        case ("DELETE", "collections", name):
            return collections.drop(name)
        case ("GET", "collections", name, "exists"):
            return {"exists": collections.aliases.get(name, name) in collections.by_name}
        case ("GET", "collections", name, "aliases"):
            return collections.list_aliases(name)
        case ("PUT", "collections", name, "index"):
            return collections.get(name).update(create_index(body))
        case ("DELETE", "collections", name, "index", field):
            return collections.get(name).update([edge.UpdateOperation.delete_field_index(field)])
        case ("POST", "collections", name, "facet"):
            return facet(collections.get(name).shard, body)
        case ("POST", "collections", name, "points", "batch"):
            return [collections.get(name).update([operation]) for operation in batch(body)]
        case ("POST", "collections", name, "points", *rest) if "/".join(rest) in READS:
            return READS["/".join(rest)](collections.get(name).shard, body)
        case (_, "collections", name, "points", *rest) if (method, "/".join(rest)) in UPDATES:
            return collections.get(name).update(UPDATES[method, "/".join(rest)](body))
        case ("GET", "collections", name, "points", identity):
            identity = int(identity) if identity.isdigit() else identity
            found = retrieve_points(collections.get(name).shard, {"ids": [identity], "with_vector": True})
            if not found:
                raise Refused(404, f"Not found: Point with id {identity} does not exists!")
            return found[0]
    raise Refused(501, f"The test server does not know {method} {path}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    collections: Collections

    def handle_request(self):
        before = time.perf_counter()
        url = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        if url.path in ("/healthz", "/readyz", "/livez"):
            return self.send(200, "healthz check passed", "text/plain")
        if url.path == "/":
            return self.send(200, {"title": "qdrant - vector search engine", "version": VERSION})
        status, outcome = self.outcome(url, content)
        return self.send(status, {**outcome, "time": time.perf_counter() - before})

    def outcome(self, url, content):
        try:
            for name in parse_qs(url.query):
                if name not in ("wait", "timeout", "ordering", "consistency"):
                    raise Refused(501, f"The test server does not know the parameter {name}")
            body = json.loads(content) if content else {}
            return 200, {"result": answer(self.collections, self.command, url.path, body), "status": "ok"}
        except Refused as error:
            return error.status, {"status": {"error": str(error)}}
        except json.JSONDecodeError as error:
            return 400, {"status": {"error": f"Format error in JSON body: {error}"}}
        except (TypeError, ValueError) as error:
            return 400, {"status": {"error": f"Format error in JSON body: {error}"}}
        except Exception as error:
            missing = str(error).startswith("No point with id")
            if type(error) is not Exception:
                traceback.print_exc()
                return 500, {"status": {"error": f"Service internal error: {error!r}"}}
            return (404, {"status": {"error": f"Not found: {error}"}}) if missing else (400, {"status": {"error": f"Wrong input: {error}"}})

    def send(self, status, body, kind="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_request

    def log_request(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    port, folder = sys.argv[1:]
    Handler.collections = Collections(Path(folder))
    server = Server(("127.0.0.1", int(port)), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    threading.Thread(target=Handler.collections.optimize, daemon=True).start()
    server.serve_forever()
    Handler.collections.close()


main()
