//! The kinds of problems that only records answers.

shared::problem_kinds! {
    RECORD_EXISTS "record-exists" CONFLICT "There is a record of this name already"
        "Change its value, or delete it first."
    OUT_OF_RANGE "out-of-range" UNPROCESSABLE_ENTITY "The number is out of range"
        "Values and changes fit into 64 bits: -9223372036854775808 to 9223372036854775807."
}
