//! The kinds of problems that only items answers.

shared::problem_kinds! {
    QUEUE_FULL "queue-full" SERVICE_UNAVAILABLE "Too many writes wait already"
        "Nothing was queued. Try again after the time in Retry-After."
    WRITE_ENDED "write-ended" GONE "The write has ended, and its ticket was removed"
        "Nothing was queued now. Read the item to see its value."
}
