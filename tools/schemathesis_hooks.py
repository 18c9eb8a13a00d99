"""What no document can say, so that schemathesis gets past 404 and 422: which product is for sale,
and that a key that was used belongs to its first request."""

import os
import re
import uuid

import schemathesis

PRODUCT_ID = os.environ["PRODUCT_ID"]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEY = re.compile(r'"[!-~]{1,255}"|[!#-~][!-~]{0,254}')


def is_well_formed(value, pattern):
    return isinstance(value, str) and pattern.fullmatch(value) is not None


@schemathesis.hook
def before_call(context, case, kwargs):
    body, headers = case.body, case.headers
    if isinstance(body, dict) and is_well_formed(body.get("product_id"), UUID):
        case.body = {**body, "product_id": PRODUCT_ID}
    if headers and is_well_formed(headers.get("Idempotency-Key"), KEY):
        headers["Idempotency-Key"] = str(uuid.uuid4())
