//! How a migration sorts products anew.

use proof::invocation::Invocation;
use proof::twin::Answer;
use shared::contract::id::ProductId;
use shared::store::partition::Partition;

use super::model::Model;

const SORTED: i64 = 1;
const OTHER_NAME: i64 = 0;

/// A product of this name that is to be sorted by this text.
#[derive(Clone, Debug)]
pub(crate) struct Sort {
    pub(crate) id: ProductId,
    pub(crate) name: String,
    pub(crate) sorted_by: String,
}

impl Sort {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("sort_product")
            .key(partition.key_of("product", self.id))
            .key(partition.key("names"))
            .arg(self.id)
            .arg(&self.name)
            .arg(&self.sorted_by)
    }
}

impl Model {
    pub(crate) fn sort_product(&mut self, request: &Sort) -> Answer {
        Answer::Number(match self.product(request.id) {
            Some(product) if product.name == request.name => {
                product.sort_name.clone_from(&request.sorted_by);
                SORTED
            }
            _ => OTHER_NAME,
        })
    }
}
