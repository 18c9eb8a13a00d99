//! The kinds of problems that only payments answers.

shared::problem_kinds! {
    PRODUCT_NOT_FOUND "product-not-found" NOT_FOUND "There is no such product"
        "Order a product that GET /products of the inventory service lists."
    INSUFFICIENT_STOCK "insufficient-stock" CONFLICT "Not enough stock"
        "Order fewer, or try again once there is more."
    ORDER_NOT_CANCELLABLE "order-not-cancellable" CONFLICT "The order can no longer be cancelled"
        "Only a pending order can be cancelled."
    BAD_UPSTREAM "bad-upstream" BAD_GATEWAY "The inventory service answered nonsense"
        "No order was made. Try again later."
    INVENTORY_UNAVAILABLE "inventory-unavailable" SERVICE_UNAVAILABLE "The inventory service cannot be reached"
        "No order was made. Try again after the time in Retry-After."
    UPSTREAM_TIMEOUT "upstream-timeout" GATEWAY_TIMEOUT "The inventory service took too long"
        "No order was made. Try again later."
}
