// Inference's form of every backbone: batch norms folded into convolutions give the same logits.
#include <doctest/doctest.h>

#include "models/registry.h"
#include "tests/measure.h"
#include "tests/kernel_check.h"

namespace mld::test {
namespace {

// Norms that change what they get: scales of both signs, shifts, and statistics that are not
// those of the activations.
void randomise_norms(Module& model) {
  uint32_t stream = 100;
  const auto draw = [&](StateTensor& t, float low, float high) {
    t.value = random_tensor(t.shape, stream++, low, high);
  };
  for (const auto& [name, b] : buffers(model)) {
    if (name.ends_with("running_mean")) {
      draw(*b, -0.2f, 0.2f);
    } else if (name.ends_with("running_var")) {
      draw(*b, 0.5f, 2.0f);
    }
  }
  for (const auto& [name, p] : parameters(model)) {
    if (p->shape.rank() == 1) {
      const bool scale = name.ends_with("weight");
      draw(*p, scale ? -0.3f : -0.2f, scale ? 1.3f : 0.2f);
    }
  }
}

}  // namespace

TEST_CASE("every backbone folded: the logits within 1e-4 of the unfolded ones") {
  for (const BackboneRow& row : backbones()) {
    CAPTURE(row.name);
    const auto model = make_model({.backbone = std::string(row.name), .head = "gap", .classes = 7});
    initialize(*model, 3);
    randomise_norms(*model);
    set_training(*model, false);
    const Var x(random_tensor({2, 64, 64, 3}, 1));
    const Tensor plain = (*model)(x).value;
    fold_batch_norm(*model);
    const Tensor folded = (*model)(x).value;
    const double error = largest_error(folded.to_vector(), plain.to_vector());
    MESSAGE(row.name, ": ", error);
    CHECK(error <= 1e-4);
    if (!buffers(*model).empty()) {  // it has norms to fold
      CHECK(error > 0);  // it is another arithmetic
    }
  }
}

}  // namespace mld::test
