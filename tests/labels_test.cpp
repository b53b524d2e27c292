// Labels from the data set to the loss and the metrics: sparse, present, absent or unknown, with
// weights, in label spaces that may differ between splits.
#include "models/registry.h"
#include "nn/init.h"
#include "tests/fake_dataset.h"
#include "train/config.h"
#include "train/evaluate.h"

namespace mld::test {
namespace {

// The hash from when labels were one value per class: saved runs hold its values.
uint64_t dense_fingerprint(const Dataset& data) {
  uint64_t state = 0xcbf29ce484222325u;
  const auto byte = [&](uint8_t value) { state = (state ^ value) * 0x100000001b3u; };
  const auto number = [&](uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      byte(static_cast<uint8_t>(value >> shift));
    }
  };
  const auto text = [&](const std::string& value) {
    number(value.size());
    for (const char c : value) {
      byte(static_cast<uint8_t>(c));
    }
  };
  number(data.class_names().size());
  for (const std::string& name : data.class_names()) {
    text(name);
  }
  number(static_cast<uint64_t>(data.size()));
  for (int64_t i = 0; i < data.size(); ++i) {
    text(data.source(i));
    for (size_t k = 0; k < data.class_names().size(); ++k) {
      if (const Label label = label_of(data, i, k); label != Label::absent) {
        number(k);
        byte(static_cast<uint8_t>(label));
      }
    }
  }
  return state;
}

// One sample with labels of every kind.
class WeightedDataset : public Dataset {
 public:
  explicit WeightedDataset(std::vector<LabelEntry> entries)
      : Dataset({.names = {"a", "b", "c", "d"}}), entries_(std::move(entries)) {}
  int64_t size() const override { return 1; }
  std::span<const LabelEntry> labels(int64_t) const override { return entries_; }
  std::string source(int64_t) const override { return "weighted"; }
  Image load(int64_t) const override { return Image(4, 4, 0); }

 private:
  std::vector<LabelEntry> entries_;
};

Batch batch_of(const Dataset& data, double unknown_weight = 0) {
  LoaderOptions options = small_options(true);
  options.unknown_weight = unknown_weight;
  Loader loader(data, options);
  loader.start(0);
  return *loader.next();
}

// Resident memory of this process in KiB.
int64_t resident() {
  for (const std::string& line : lines_of("/proc/self/status")) {
    if (line.starts_with("VmRSS:")) {
      return std::stoll(line.substr(6));
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("labels: a table keeps what each sample has, the strongest of a repeated column") {
  LabelTable table;
  table.add({});
  table.add(std::vector<LabelEntry>{
      {7}, {2, Label::unknown}, {2, Label::absent}, {7, Label::unknown}});
  table.add(std::vector<LabelEntry>{{5, Label::absent, 0.5f}, {1, Label::present, 0.25f}, {1}});
  table.freeze();
  CHECK(table.size() == 3);
  CHECK(table.row(0).empty());
  CHECK(std::ranges::equal(table.row(1), std::vector<LabelEntry>{{2, Label::unknown}, {7}}));
  CHECK(std::ranges::equal(table.row(2), std::vector<LabelEntry>{{1}, {5, Label::absent, 0.5f}}));
  CHECK_THROWS_AS(table.row(3), std::out_of_range);
  CHECK_THROWS_AS(table.row(-1), std::out_of_range);
}

TEST_CASE("labels: a million samples of 100,000 classes take what their labels take") {
  const int64_t before = resident();
  LabelTable table;
  for (int32_t i = 0; i < 1'000'000; ++i) {
    table.add(std::vector<LabelEntry>{{i % 100'000}, {(i * 7) % 100'000}, {99'999 - i % 1000}});
  }
  table.freeze();
  CHECK(table.row(999'999).back().column == 99'999);
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("SKIPPED: AddressSanitizer keeps freed memory, so the size says nothing; it grew by ",
          resident() - before, " KiB");
#else
  CHECK(resident() - before < 64 * 1024);  // 3 x 12 + 8 bytes a sample are 42 MiB
#endif
}

TEST_CASE("labels: the fingerprint of data without weights is what it always was") {
  const FakeDataset data(10);
  CHECK(fingerprint(data) == 0x843260a6979e8b67u);  // computed independently of this code
  CHECK(fingerprint(data) == dense_fingerprint(data));
  DataOptions options;
  options.format = "shapes";
  options.train_size = 50;
  const auto shapes = open_dataset(options, "train");
  CHECK(fingerprint(*shapes) == dense_fingerprint(*shapes));
  const auto weighted = [](float weight) { return WeightedDataset({{1, Label::present, weight}}); };
  const WeightedDataset one = weighted(1), half = weighted(0.5f), quarter = weighted(0.25f);
  CHECK(fingerprint(one) == dense_fingerprint(one));
  CHECK(fingerprint(one) != fingerprint(half));
  CHECK(fingerprint(half) != fingerprint(quarter));
}

TEST_CASE("labels: which classes training showed, and other classes in validation") {
  TemporaryFolder folder;
  folder.write("train.csv", "path,labels\na.jpg,[cat]\nb.jpg,\"[cat, dog]\"\n");
  folder.write("val.csv", "path,labels\nc.jpg,[dog]\nd.jpg,\"[dog, zebra]\"\n");
  const DataOptions options = options_for(folder.path());
  const Splits shared = open_splits(options);
  CHECK(shared.train->class_names() == std::vector<std::string>{"cat", "dog", "zebra"});
  CHECK(shared.val->class_names() == shared.train->class_names());
  CHECK(shared.val->label_space().seen == std::vector<bool>{true, true, false});
  const Splits splits = open_splits(options, ValClasses::own);
  CHECK(splits.train->class_names() == std::vector<std::string>{"cat", "dog"});
  CHECK(splits.train->label_space().seen.empty());
  CHECK(splits.val->class_names() == std::vector<std::string>{"dog", "zebra"});
  CHECK(splits.val->label_space().was_seen(0));
  CHECK(!splits.val->label_space().was_seen(1));

  folder.write("data.csv", "path,labels,split\na.jpg,[cat],train\nb.jpg,[yak],val\n");
  const Splits closed = open_splits(options);
  CHECK(closed.train->label_space().seen == std::vector<bool>{true, false});
  CHECK(closed.val->label_space().seen == std::vector<bool>{true, false});
}

TEST_CASE("labels: targets and weights of a batch, and what the losses make of them") {
  const Batch plain = batch_of(WeightedDataset({{1}, {3, Label::absent}}));
  CHECK(plain.targets.to_vector() == std::vector<float>{0, 1, 0, 0});
  CHECK(!plain.weights.defined());
  const Batch unknown = batch_of(WeightedDataset({{0, Label::unknown}, {1}}));
  CHECK(unknown.targets.to_vector() == std::vector<float>{0, 1, 0, 0});
  CHECK(unknown.weights.to_vector() == std::vector<float>{0, 1, 1, 1});
  const Batch doubted = batch_of(WeightedDataset({{0, Label::unknown, 7}, {1}}), 0.25);
  CHECK(doubted.targets.to_vector() == std::vector<float>{0, 1, 0, 0});
  CHECK(doubted.weights.to_vector() == std::vector<float>{0.25f, 1, 1, 1});
  CHECK(!batch_of(WeightedDataset({{0, Label::unknown}, {1}}), 1).weights.defined());
  const Batch weighted = batch_of(
      WeightedDataset({{0, Label::unknown, 7}, {1, Label::present, 0.5f}, {3, Label::absent, 2}}));
  CHECK(weighted.targets.to_vector() == std::vector<float>{0, 1, 0, 0});
  CHECK(weighted.weights.to_vector() == std::vector<float>{0, 0.5f, 1, 2});

  // What a picture does not list may weigh less, or be unknown.
  WeightedDataset untagged({{1}, {3, Label::absent}});
  CHECK(untagged.unlisted() == LabelEntry{.label = Label::absent});
  const uint64_t plain_hash = fingerprint(untagged);
  untagged.set_unlisted({.label = Label::absent, .weight = 0.25f});
  CHECK(batch_of(untagged).targets.to_vector() == std::vector<float>{0, 1, 0, 0});
  CHECK(batch_of(untagged).weights.to_vector() == std::vector<float>{0.25f, 1, 0.25f, 1});
  CHECK(fingerprint(untagged) != plain_hash);
  untagged.set_unlisted({.label = Label::unknown});
  CHECK(batch_of(untagged).weights.to_vector() == std::vector<float>{0, 1, 0, 1});

  CHECK(batch_of(untagged, 0.5).weights.to_vector() == std::vector<float>{0.5f, 1, 0.5f, 1});

  const auto weights = [](const LossTargets& targets) { return targets.weights.to_vector(); };
  LossSpec loss;
  CHECK(!loss_targets(loss, plain).weights.defined());
  CHECK(weights(loss_targets(loss, weighted)) == std::vector<float>{0, 0.5f, 1, 2});
  loss.class_weights = {3, 4, 0, 1};
  CHECK(loss_targets(loss, weighted).values.to_vector() == std::vector<float>{0, 1, 0, 0});
  CHECK(weights(loss_targets(loss, plain)) == std::vector<float>{3, 4, 0, 1});
  CHECK(weights(loss_targets(loss, weighted)) == std::vector<float>{0, 2, 0, 2});
  // Cross-entropy is linear in its targets: they carry the weights, after smoothing.
  loss.name = "ce";
  loss.smoothing = 0.4;
  const LossTargets ce = loss_targets(loss, plain);
  CHECK(!ce.weights.defined());
  const std::vector<double> expected = {0.3, 2.8, 0, 0.1};
  for (size_t k = 0; k < expected.size(); ++k) {
    CHECK(ce.values.to_vector()[k] == doctest::Approx(expected[k]));
  }
}

TEST_CASE("labels: an unknown label changes neither loss nor gradient, whatever the logit") {
  const Batch known = batch_of(WeightedDataset({{1}, {2, Label::absent}}));
  const Batch unknown = batch_of(WeightedDataset({{1}, {2, Label::unknown}}));
  for (const std::string name : {"asl", "focal", "asl_mild", "bce"}) {
    CAPTURE(name);
    const LossSpec spec = loss_preset(name);
    const auto run = [&](const Batch& batch, float logit) {
      Tape tape;
      const std::vector<float> logits = {0.5f, -1, logit, 2};
      const Var x = tape.variable(Tensor::from({1, 4}, logits));
      const Var value = loss(spec, x, loss_targets(spec, batch), 1);
      tape.backward(value);
      std::vector<float> all = tape.grad(x).to_vector();
      all.push_back(value.value.item());
      return all;
    };
    CHECK(run(unknown, 3) == run(unknown, -3));
    CHECK(run(unknown, 3)[2] == 0);
    CHECK(run(known, 3) != run(known, -3));  // so the check above can fail
  }
}

TEST_CASE("labels: evaluation knows unknown labels from absent ones") {
  const FakeDataset data(5);
  const auto model = make_model({.backbone = "resnet18", .head = "gap", .classes = 3});
  initialize(*model, 1);
  LoaderOptions options = small_options(false);
  options.preprocess.image_size = 32;
  Loader loader(data, options);
  const auto objective = make_objective(Config{}, *model);
  const auto scores = score_split(*model, *objective, loader, Device{}, [] { return false; });
  for (int64_t i = 0; i < 5; ++i) {
    for (size_t k = 0; k < 3; ++k) {
      CHECK(scores->targets[static_cast<size_t>(i) * 3 + k] == label_of(data, i, k));
    }
  }
}

}  // namespace mld::test
