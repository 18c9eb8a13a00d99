//! The schemas of request bodies in the OpenAPI document. They admit exactly what
//! [`BodyFields`](super::BodyFields) accepts.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::Value;

use crate::contract::money::Money;

/// The schema of a JSON object. The schema is closed: it admits only the fields that it names.
#[derive(Debug)]
pub struct ObjectSchema {
    name: &'static str,
    meta: MetaSchema,
}

impl ObjectSchema {
    /// An object without fields.
    pub fn new(name: &'static str, description: &'static str) -> Self {
        let meta = MetaSchema {
            description: Some(description),
            ..MetaSchema::new("object")
        };
        Self { name, meta }
    }

    /// Adds a required field.
    #[must_use]
    pub fn required(
        mut self,
        name: &'static str,
        description: &'static str,
        schema: MetaSchema,
    ) -> Self {
        self.meta.required.push(name);
        self.patched(name, description, schema)
    }

    /// Adds a field that may be left out, or be `null`, which means the same.
    #[must_use]
    pub fn optional(
        self,
        name: &'static str,
        description: &'static str,
        schema: MetaSchema,
    ) -> Self {
        debug_assert!(
            schema.one_of.is_empty(),
            "null would have to be one of the alternatives"
        );
        self.patched(
            name,
            description,
            MetaSchema {
                nullable: true,
                ..schema
            },
        )
    }

    /// Adds a field of a merge patch, which may be left out.
    #[must_use]
    pub fn patched(
        mut self,
        name: &'static str,
        description: &'static str,
        schema: MetaSchema,
    ) -> Self {
        let schema = MetaSchema {
            description: Some(description),
            ..schema
        };
        self.meta.properties.push((name, inline(schema)));
        self
    }

    /// Requires exactly one of these optional fields. The others are left out, or `null`.
    #[must_use]
    pub fn one_of(mut self, names: &[&'static str], schema: &MetaSchema) -> Self {
        let null = || MetaSchema {
            nullable: true,
            enum_items: vec![Value::Null],
            ..schema.clone()
        };
        let alone = |name: &&'static str| {
            let schema_of = |other| {
                if other == name {
                    schema.clone()
                } else {
                    null()
                }
            };
            inline(MetaSchema {
                required: vec![*name],
                properties: names
                    .iter()
                    .map(|other| (*other, inline(schema_of(other))))
                    .collect(),
                ..MetaSchema::new("object")
            })
        };
        self.meta.one_of = names.iter().map(alone).collect();
        self
    }

    /// Adds an example.
    #[must_use]
    pub fn example(mut self, example: Value) -> Self {
        self.meta.example = Some(example);
        self
    }

    /// Name of the schema in the document.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn into_meta(self) -> MetaSchema {
        self.meta
    }
}

/// The schema of a string of 1 to `max_length` characters that matches `pattern`.
pub fn text(max_length: usize, pattern: &str) -> MetaSchema {
    MetaSchema {
        min_length: Some(1),
        max_length: Some(max_length),
        pattern: Some(pattern.to_owned()),
        ..MetaSchema::new("string")
    }
}

/// The schema of an id.
pub fn id() -> MetaSchema {
    MetaSchema::new_with_format("string", "uuid")
}

/// The schema of an amount: a number with at most two decimals, or a string with such a number. The
/// pattern admits strings without an exponent only: no pattern can describe all that have one.
pub fn money() -> MetaSchema {
    let number = MetaSchema {
        minimum: Some(0.0),
        maximum: Some(Money::MAX_NUMBER),
        multiple_of: Some(0.01),
        ..MetaSchema::new("number")
    };
    let amount = r"-?0(\.0+)?|(0|[1-9][0-9]{0,9})(\.[0-9]{1,2}0*)?";
    number_or_text(number, format!("^({amount})$"))
}

/// The schema of a whole number from `min` to `max`, or of a string with such a number. `min` is 0
/// or 1, and `max` is a power of ten.
pub fn whole(min: u32, max: u32) -> MetaSchema {
    debug_assert!(
        min <= 1 && max == 10_u32.pow(max.ilog10()),
        "the pattern cannot tell"
    );
    let number = MetaSchema {
        minimum: Some(f64::from(min)),
        maximum: Some(f64::from(max)),
        ..MetaSchema::new("integer")
    };
    let zero = if min == 0 { "-?0|" } else { "" };
    let places = max.ilog10().saturating_sub(1);
    number_or_text(
        number,
        format!(r"^({zero}[1-9][0-9]{{0,{places}}}|{max})(\.0+)?$"),
    )
}

fn number_or_text(number: MetaSchema, pattern: String) -> MetaSchema {
    let text = MetaSchema {
        pattern: Some(pattern),
        ..MetaSchema::new("string")
    };
    MetaSchema {
        one_of: vec![inline(number), inline(text)],
        ..MetaSchema::ANY
    }
}

fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::contract::decimal;

    fn pattern(schema: &MetaSchema) -> Regex {
        match &schema.one_of[1] {
            MetaSchemaRef::Inline(text) => Regex::new(text.pattern.as_ref().unwrap()).unwrap(),
            MetaSchemaRef::Reference(name) => panic!("{name}"),
        }
    }

    #[test]
    fn a_number_may_also_be_its_text() {
        assert_eq!(
            pattern(&whole(0, 1_000_000)).as_str(),
            r"^(-?0|[1-9][0-9]{0,5}|1000000)(\.0+)?$"
        );
        assert_eq!(
            pattern(&whole(1, 100)).as_str(),
            r"^([1-9][0-9]{0,1}|100)(\.0+)?$"
        );
    }

    proptest! {
        #[test]
        fn the_patterns_tell_which_texts_without_an_exponent_are_taken(
            text in "[-+]?(0|1|100|1000000|[0-9]{0,11})(\\.[0-9]{0,2}0{0,3}[0-9]?)?",
        ) {
            let amount = text.parse::<Money>().is_ok();
            prop_assert_eq!(pattern(&money()).is_match(&text), amount, "{}", &text);
            for (min, max) in [(0, 1_000_000), (1, 100)] {
                let number = decimal::scaled(&text, 0);
                let fits = number.is_ok_and(|number| (min..=max).contains(&number));
                let schema = whole(u32::try_from(min).unwrap(), u32::try_from(max).unwrap());
                prop_assert_eq!(pattern(&schema).is_match(&text), fits, "{}", &text);
            }
        }
    }
}
