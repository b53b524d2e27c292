// The best weights of a run: which validation they belong to, and that they are the right ones.
#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "core/error.h"
#include "core/tensor.h"
#include "tests/data_files.h"
#include "train/best_weights.h"

namespace mld {
namespace {

// A model whose only weight is the number of its updates, and an average that lags by a half.
struct Run {
  int64_t step = 0;
  BestWeights best{[this](const std::string& weights) {
    const float value = static_cast<float>(step) - (weights == "ema" ? 0.5f : 0.0f);
    return StateDict{{"w", Tensor::full({1}, value)}};
  }};

  void update() {
    best.before_update(step);
    ++step;
  }
  bool validate(double raw, std::optional<double> average = std::nullopt) {
    return best.offer(step, raw, average);
  }
  float held() const { return best.weights().at(0).second.to_vector()[0]; }
};

}  // namespace

TEST_CASE("best weights are of the step they say, however far the run has gone on") {
  Run run;
  CHECK(test::message_of<Error>([&] { run.held(); }) ==
        "best weights: nothing has been validated yet");
  run.update();
  run.update();
  CHECK(run.best.kept().empty());  // nothing to keep before the first validation
  CHECK(run.validate(10));
  CHECK(run.held() == 2);
  CHECK(run.best.kept().empty());  // the model has them
  run.update();
  CHECK(run.held() == 2);
  run.update();
  CHECK(run.held() == 2);
  CHECK(run.best.record() == BestRecord{10, 2, "raw"});
  CHECK_FALSE(run.validate(9));
  run.update();
  CHECK(run.held() == 2);
  CHECK(run.best.record() == BestRecord{10, 2, "raw"});
  CHECK(run.validate(11));
  CHECK(run.held() == 5);
  run.update();
  CHECK(run.held() == 5);
  CHECK(run.best.record() == BestRecord{11, 5, "raw"});
}

TEST_CASE("the better of model and average is the best, and is called what it is") {
  Run run;
  run.step = 3;
  CHECK(run.validate(10, 20));
  CHECK(run.best.record() == BestRecord{20, 3, "ema"});
  CHECK(run.held() == 2.5f);
  run.update();
  CHECK(run.held() == 2.5f);
  CHECK(run.validate(30, 25));
  CHECK(run.best.record() == BestRecord{30, 4, "raw"});
  CHECK(run.held() == 4);
  CHECK_FALSE(run.validate(29, 28));  // neither of them
}

TEST_CASE("a tie does not replace the best; of equals, the model's own weights are taken") {
  Run run;
  run.step = 1;
  CHECK(run.validate(10, 10));
  CHECK(run.best.record() == BestRecord{10, 1, "raw"});
  run.update();
  CHECK_FALSE(run.validate(10, 10));
  CHECK_FALSE(run.validate(9, 10));
  CHECK(run.best.record() == BestRecord{10, 1, "raw"});
  CHECK(run.held() == 1);
}

TEST_CASE("a metric of zero is a first best") {
  Run run;
  CHECK(run.validate(0));
  CHECK(run.best.record() == BestRecord{0, 0, "raw"});
}

TEST_CASE("restored from a saved state, before and after the model has moved on") {
  Run run;
  run.step = 2;
  CHECK(run.validate(10, 20));
  for (const int64_t updates : {0, 2}) {
    for (int64_t i = 0; i < updates; ++i) {
      run.update();
    }
    Run resumed;
    resumed.step = run.step;
    resumed.best.restore(run.best.record(), run.best.kept());
    CHECK(resumed.best.record() == BestRecord{20, 2, "ema"});
    CHECK(resumed.held() == 1.5f);
    resumed.update();
    CHECK(resumed.held() == 1.5f);
  }
}

}  // namespace mld
