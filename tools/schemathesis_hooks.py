"""Changes requests of schemathesis where an OpenAPI document cannot describe what is valid.
Otherwise most requests would be answered 404 or 422. The hook orders a product that exists, gives
each request a new idempotency key, because a used key belongs to its first request, and replaces
invisible characters beyond U+FFFF, because a text needs at least one visible character."""

import os
import re
import uuid

import schemathesis

PRODUCT_ID = os.environ["PRODUCT_ID"]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEY = re.compile(r'"[!-~]{1,255}"|[!#-~][!-~]{0,254}')
INVISIBLE = re.compile("[\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]")


def is_well_formed(value, pattern):
    return isinstance(value, str) and pattern.fullmatch(value) is not None


@schemathesis.hook
def before_call(context, case, kwargs):
    body, headers = case.body, case.headers
    if isinstance(body, dict) and is_well_formed(body.get("product_id"), UUID):
        case.body = {**body, "product_id": PRODUCT_ID}
    for field in ("name", "note"):
        if isinstance(case.body, dict) and isinstance(case.body.get(field), str):
            case.body = {**case.body, field: INVISIBLE.sub("\U0001f375", case.body[field])}
    if headers and is_well_formed(headers.get("Idempotency-Key"), KEY):
        headers["Idempotency-Key"] = str(uuid.uuid4())
