-- Emits refund_order: payments gives the money of this order back.
local function emit_refund(stream, refund, time)
  redis.call('XADD', stream, '*',
    'ce_specversion', '1.0', 'ce_id', refund.order_id .. ':refund', 'ce_source', '/inventory',
    'ce_type', 'order.refund_requested.v1', 'ce_time', time, 'traceparent', refund.traceparent,
    'request_id', refund.request_id, 'order_id', refund.order_id, 'product_id', refund.product_id,
    'quantity', refund.quantity, 'reason', refund.reason)
end
