// The configuration: defaults, parsing, messages, the resolved file, resuming.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "app/config_file.h"
#include "core/error.h"
#include "tests/paths.h"
#include "train/config_keys.h"

namespace {

using mld::Config;
using Arguments = std::vector<std::string>;

// The smallest valid config; tests add to it.
const std::string kShapes = "[data]\nformat = \"shapes\"\n";

std::string error_of(const std::string& text, const Arguments& overrides = {}) {
  try {
    mld::parse_config(text, "a.toml", overrides);
  } catch (const mld::UsageError& error) {
    return error.what();
  }
  return "accepted";
}

void check_contains(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
}

// A value of each key that differs from the default, as TOML.
std::string other_value(const mld::Key& key, const mld::Value& value) {
  const std::string now = mld::to_toml_value(value);
  // The only text that must have braces, and the only one that must be a name.
  if (key.full_name() == "clip.prompt") return "\"one {}\"";
  if (key.full_name() == "log.mlflow_experiment") return "\"other\"";
  for (const std::string_view choice : key.choices) {
    const std::string other = mld::to_toml_value(std::string(choice));
    if (other != now) {
      return other;
    }
  }
  if (key.colour) return "\"#102030\"";
  if (std::holds_alternative<std::string>(value)) return "\"other \\\"text\\\" \u00e9 \\u0007\"";
  if (std::holds_alternative<bool>(value)) return now == "true" ? "false" : "true";
  if (std::holds_alternative<int64_t>(value)) {
    const std::string other = key.maximum < 64 ? mld::to_toml_value(int64_t(key.maximum)) : "64";
    return now == other ? "72" : other;
  }
  if (std::holds_alternative<double>(value)) {
    return mld::to_toml_value(std::max(key.minimum, 0.0625));
  }
  return "[0.25, 0.75]";
}

}  // namespace

TEST_CASE("the defaults are the published COCO recipe") {
  const Config config = mld::parse_config("[data]\nroot = \"coco\"\n", "a.toml").config;
  CHECK(config.task == mld::Task::multi_label);
  CHECK(config.preprocess.image_size == 448);
  CHECK(config.preprocess.resize == mld::ResizeMode::squash);
  CHECK(config.preprocess.normalize == mld::Normalize::none);
  CHECK(config.data.unlabelled == mld::Unlabelled::drop);
  CHECK(config.augment.cutout == 0.5);
  CHECK(config.augment.aa == mld::AutoAugment::randaugment);
  CHECK(config.augment.hflip == 0.0);
  CHECK_FALSE(config.augment.crop_scale.has_value());
  CHECK(config.loss.gamma_neg == 4.0);
  CHECK(config.loss.gamma_pos == 0.0);
  CHECK(config.loss.clip == 0.05);
  CHECK(config.loss.detach_weights);
  CHECK(config.optim.name == "adam_l2");
  CHECK(config.optim.lr == 1e-4);
  CHECK(config.optim.weight_decay == 1e-4);
  CHECK(config.schedule.name == "onecycle");
  CHECK(config.schedule.pct_start == 0.2);
  CHECK(config.train.epochs == 40);
  CHECK(config.train.batch_size == 56);
  CHECK(config.train.model_ema_decay == 0.9997);
}

TEST_CASE("every key of the interface exists, with its type") {
  const char* names[] = {
      "name", "task", "seed", "threads", "device", "data.format", "data.root", "data.train",
      "data.val", "data.test", "data.image_size", "data.resize", "data.interpolation",
      "data.normalize", "data.unlabelled", "data.difficult", "data.on_bad_image",
      "data.unseen", "data.seen", "data.vectors", "data.vector_norm", "data.max_bad_fraction",
      "data.workers", "data.train_size", "data.val_size",
      "augment.hflip", "augment.crop_scale", "augment.cutout", "augment.aa", "model.backbone",
      "model.head", "model.groups", "model.embed_dim", "model.query", "model.init",
      "model.init_policy", "loss.name", "loss.gamma_neg", "loss.gamma_pos", "loss.clip",
      "loss.eps", "loss.detach_weights", "optim.name", "optim.lr", "optim.weight_decay",
      "optim.betas", "optim.momentum", "optim.clip_grad", "optim.grad_accum_steps",
      "schedule.name", "schedule.pct_start", "schedule.warmup_epochs", "schedule.min_lr",
      "train.epochs", "train.batch_size", "train.precision", "train.model_ema_decay",
      "train.val_interval", "train.checkpoint_minutes", "train.best_metric",
      "train.deterministic", "train.cuda_graph"};
  for (const std::string name : names) {
    CAPTURE(name);
    const auto keys = mld::config_keys();
    CHECK(std::count_if(keys.begin(), keys.end(),
                        [&](const mld::Key& key) { return key.full_name() == name; }) == 1);
  }
}

TEST_CASE("every key is read into its own field and written back") {
  for (const mld::Key& key : mld::config_keys()) {
    CAPTURE(key.full_name());
    Config config;
    config.data.format = "shapes";
    const std::string before = mld::to_toml(config);
    const std::string value = other_value(key, key.get(config));
    const std::set<std::string> alone_contradict_defaults = {
        "task", "data.format", "data.unseen", "data.seen",
        "schedule.cooldown_epochs", "schedule.warmup_epochs",
        "optim.grad_accum_steps", "loss.target_threshold", "loss.smoothing"};
    if (alone_contradict_defaults.contains(key.full_name())) {
      continue;  // see the test of contradictions
    }
    const std::string text = key.section.empty()
                                 ? std::string(key.name) + " = " + value + "\n" + kShapes
                             : key.section == "data"
                                 ? kShapes + std::string(key.name) + " = " + value + "\n"
                                 : kShapes + "[" + std::string(key.section) + "]\n" +
                                       std::string(key.name) + " = " + value + "\n";
    const mld::LoadedConfig loaded = mld::parse_config(text, "a.toml");
    const std::string after = mld::to_toml(loaded.config);
    CHECK(after != before);
    // Only this key's line differs.
    size_t differing = 0, at_before = 0, at_after = 0;
    while (at_before < before.size()) {
      const size_t end_before = before.find('\n', at_before);
      const size_t end_after = after.find('\n', at_after);
      differing += before.compare(at_before, end_before - at_before, after, at_after,
                                  end_after - at_after) != 0;
      at_before = end_before + 1;
      at_after = end_after + 1;
    }
    CHECK(differing == 1);
    CHECK(mld::to_toml(mld::parse_config(after, "resolved.toml").config) == after);
    CHECK(loaded.origins.count(key.full_name()) == 1);
  }
}

TEST_CASE("the resolved file tells every origin and reads back the same") {
  const Arguments overrides = {"optim.lr=3e-4", "model.init=weights/start.safetensors",
                               "augment.crop_scale=[0.4, 1.0]", "name=\"quoted\""};
  const mld::LoadedConfig loaded =
      mld::parse_config("seed = 7\n" + kShapes + "[train]\nepochs = 3\n", "my.toml", overrides);
  CHECK(loaded.config.optim.lr == 3e-4);
  CHECK(loaded.config.init.init ==
        std::filesystem::current_path() / "weights/start.safetensors");  // given here
  CHECK(loaded.config.name == "quoted");
  CHECK((*loaded.config.augment.crop_scale)[0] == 0.4);
  CHECK(loaded.origins.at("seed") == "my.toml:1");
  CHECK(loaded.origins.at("train.epochs") == "my.toml:5");
  CHECK(loaded.origins.at("optim.lr") == "command line");
  CHECK(loaded.origins.count("optim.betas") == 0);
  const std::string text = mld::to_toml(loaded.config, loaded.origins);
  check_contains(text, "epochs = 3                              # my.toml:5\n");
  check_contains(text, "lr = 0.0003                             # command line\n");
  check_contains(text, "betas = [0.9, 0.999]                    # default\n");
  check_contains(text, "crop_scale = [0.4, 1.0]");
  const Config again = mld::parse_config(text, "config.toml").config;
  CHECK(mld::to_toml(again) == mld::to_toml(loaded.config));
  CHECK(mld::agree_for_resume(loaded.config, again).empty());
}

TEST_CASE("weight files name no place and no run") {
  Config config;
  config.name = "SECRET";
  config.data.root = config.init.init = "SECRET";
  config.data.train = "/SECRET/train.json";  // results depend on the list, not on where it is
  const std::string text = mld::to_toml(config, {{"optim.lr", "SECRET"}}, mld::Keys::portable);
  CHECK(text.find("SECRET") == std::string::npos);
  CHECK(text.find("workers") == std::string::npos);
  check_contains(text, "lr = 0.0001\n");
  check_contains(text, "train = \"train.json\"\n");
}

TEST_CASE("unknown names: place, caret, nearest") {
  CHECK(error_of(kShapes + "[optim]\n  learning = 1\n  lrr = 3\n") ==
        "2 errors in the configuration\n"
        "a.toml:4:3: unknown key 'learning' in [optim]\n"
        " 4 |   learning = 1\n"
        "   |   ^~~~~~~~\n"
        "a.toml:5:3: unknown key 'lrr' in [optim], did you mean 'lr'?\n"
        " 5 |   lrr = 3\n"
        "   |   ^~~");
  CHECK(error_of(kShapes + "[optimm]\nlr = 1\n") ==
        "a.toml:3:2: unknown section [optimm], did you mean 'optim'?\n"
        " 3 | [optimm]\n"
        "   |  ^~~~~~");
  check_contains(error_of(kShapes + "lr = 1\n"), "in [data], did you mean 'optim.lr'?");
  check_contains(error_of("batch_size = 1\n" + kShapes), "did you mean 'train.batch_size'?");
  check_contains(error_of("optim = 1\n" + kShapes), "'optim' is a section: write [optim]");
  check_contains(error_of(kShapes + "[optim.sub]\nx = 1\n"), "unknown key 'sub' in [optim]");
  check_contains(error_of(kShapes + "[[optim]]\nlr = 1\n"), "'optim' is a section");
  check_contains(error_of(kShapes, {"optim.lrr=1"}),
                 "command line: unknown key 'lrr' in [optim], did you mean 'lr'?\n"
                 "  | optim.lrr=1\n"
                 "  | ^~~~~~~~~");
}

TEST_CASE("wrong types and values: what was expected and what came") {
  CHECK(error_of(kShapes + "[optim]\nlr = \"fast\"\n") ==
        "a.toml:4:6: optim.lr: expected number from 0 to 1000, got the text \"fast\"\n"
        " 4 | lr = \"fast\"\n"
        "   |      ^~~~~~");
  check_contains(error_of(kShapes + "[train]\nepochs = 1.5\n"),
                 "train.epochs: expected integer from 1 to 1000000, got the number 1.5");
  check_contains(error_of(kShapes + "[train]\nepochs = 0\n"), "got the integer 0");
  check_contains(error_of(kShapes + "[train]\nepochs = 99999999999999999999\n"),
                 "not representable in 64 bits");
  check_contains(error_of(kShapes + "[train]\ndeterministic = 1\n"), "expected true or false");
  check_contains(error_of(kShapes + "[optim]\nlr = nan\n"), "optim.lr: expected number");
  check_contains(error_of(kShapes + "[optim]\nclip_grad = inf\n"), "optim.clip_grad: expected");
  check_contains(error_of(kShapes + "[optim]\nbetas = [0.9]\n"), "expected two numbers");
  check_contains(error_of(kShapes + "[optim]\nbetas = [0.9, 1.5]\n"), "got [0.9, 1.5]");
  check_contains(error_of(kShapes + "[optim]\nbetas = [\"a\", \"b\"]\n"), "not only numbers");
  check_contains(error_of(kShapes + "[loss]\nclass_weights = [1, -1]\n"),
                 "loss.class_weights: expected a list of numbers from 0 to 1000000, got [1, -1]");
  check_contains(error_of("name = 2020-01-01\n" + kShapes), "expected text, got a date or time");
  check_contains(error_of(kShapes + "[loss]\nname = \"als\"\n"),
                 "expected one of asl, bce, ce, asl_single, asl_mild, focal, sdl, got the text "
                 "\"als\", did you mean 'asl'?");
  check_contains(error_of(kShapes, {"train.epochs=many"}),
                 "command line: train.epochs: expected integer from 1 to 1000000, got the text "
                 "\"many\"\n  | train.epochs=many\n  |              ^~~~");
  check_contains(error_of(kShapes, {"epochs"}), "expected section.key=value");
  CHECK(mld::parse_config(kShapes + "[optim]\nlr = 1\n", "a.toml").config.optim.lr == 1.0);
}

TEST_CASE("a loss's name sets the defaults of its keys; given ones win") {
  const auto loss_of = [](const std::string& text) {
    return mld::parse_config(kShapes + "[loss]\n" + text, "a.toml").config.loss;
  };
  const mld::LossSpec focal = loss_of("name = \"focal\"\n");
  CHECK(std::array{focal.gamma_neg, focal.gamma_pos, focal.clip} == std::array{2.0, 2.0, 0.0});
  CHECK_FALSE(focal.detach_weights);
  const mld::LossSpec mild = loss_of("gamma_neg = 3\nname = \"asl_mild\"\n");
  CHECK(std::array{mild.gamma_neg, mild.gamma_pos, mild.clip} == std::array{3.0, 1.0, 0.0});
  CHECK(mild.detach_weights);
  const mld::LoadedConfig loaded =
      mld::parse_config(kShapes + "[loss]\nname = \"focal\"\n", "a.toml");
  check_contains(mld::to_toml(loaded.config, loaded.origins),
                 "gamma_neg = 2.0                         # loss.name\n");
}

TEST_CASE("text that is not TOML") {
  CHECK(error_of("seed = 1\nb c = 3\n") ==
        "a.toml:2:3: Error while parsing key-value pair: expected '=', saw 'c'\n"
        " 2 | b c = 3\n"
        "   |   ^");
  check_contains(error_of("seed = 1\nseed = 2\n"), "cannot redefine existing integer 'seed'");
  check_contains(error_of("name = \"open\n"), "a.toml:1:");
  check_contains(error_of("name = \"\xff\"\n"), "invalid utf-8");
  check_contains(error_of("x = " + std::string(100000, '[')),
                 "exceeded maximum nested value depth");
  std::string dots = "a";
  for (int i = 0; i < 50000; ++i) {
    dots += ".a";
  }
  check_contains(error_of(dots + " = 1"), "too many dots");
  check_contains(error_of("\x1b[2J = 1\n"), "\\x1b[2J");  // no escapes for the terminal
  CHECK(error_of("\xEF\xBB\xBF" + kShapes) == "accepted");
  CHECK_THROWS_AS(mld::load_config("/nowhere/at/all.toml"), mld::UsageError);
}

TEST_CASE("contradictions") {
  check_contains(error_of("task = \"zero-shot\"\n" + kShapes),
                 "needs a model that knows its classes by word vectors");
  check_contains(error_of(kShapes + "unseen = \"red star\"\n"),
                 "data.unseen and data.seen need task zero-shot");
  check_contains(error_of(kShapes, {"train.best_metric=mAP_ZSL"}), "needs task zero-shot; use mAP");
  check_contains(error_of(kShapes + "[loss]\nname = \"ce\"\n"),
                 "a.toml:4:8: loss.name ce (cross-entropy) needs task single-label");
  check_contains(error_of(kShapes + "[loss]\nsmoothing = 0.1\n"), "needs task single-label");
  check_contains(error_of(kShapes + "[loss]\ntarget_threshold = 0.2\n"), "needs loss.name bce");
  check_contains(error_of("[data]\nformat = \"coco\"\n"), "data.root is missing");
  check_contains(error_of(""), "data.root is missing");
  check_contains(error_of("name = \"a/b\"\n" + kShapes), "without '/'");
  check_contains(error_of(kShapes + "[augment]\ncrop_scale = [0.9, 0.1]\n"), "0 < low <= high");
  check_contains(error_of(kShapes + "[model]\nembed_dim = 100\n"), "multiple of 8");
  check_contains(error_of(kShapes + "[model]\ngroups = 0\n"), "at least 1");
  check_contains(error_of(kShapes + "[schedule]\nwarmup_epochs = 5\n"), "pct_start");
  check_contains(error_of(kShapes + "[schedule]\ncooldown_epochs = 5\n"), "needs schedule.name");
  check_contains(error_of(kShapes, {"schedule.name=cosine", "schedule.warmup_epochs=41"}),
                 "exceeds train.epochs 40");
  check_contains(error_of(kShapes, {"schedule.name=cosine", "schedule.min_lr=1"}),
                 "exceeds optim.lr");
  check_contains(error_of(kShapes, {"optim.grad_accum_steps=3"}), "cannot be split");
  check_contains(error_of(kShapes, {"train.best_metric=top1"}), "needs task single-label");
  check_contains(error_of("[data]\nformat = \"coc\"\n"), "did you mean 'coco'?");
  CHECK(error_of("[data]\nformat = \"coc\"\n").find("missing") == std::string::npos);
  const std::string single = "task = \"single-label\"\n" + kShapes;
  CHECK(error_of(single, {"loss.name=ce", "loss.smoothing=0.1", "train.best_metric=top1"}) ==
        "accepted");
  CHECK(error_of(single, {"loss.name=bce", "loss.target_threshold=0.2", "optim.name=lamb",
                          "schedule.name=cosine", "schedule.warmup_epochs=5",
                          "schedule.cooldown_epochs=10", "optim.grad_accum_steps=4"}) ==
        "accepted");
}

TEST_CASE("resuming: keys that change results must agree, others need not") {
  Config saved, given;
  given.name = "other";
  given.loading.workers = 3;
  given.threads = 1;
  given.data.root = "elsewhere";
  given.train.checkpoint_minutes = 1;
  given.init.init = "x.safetensors";
  CHECK(mld::agree_for_resume(saved, given).empty());
  given.optim.lr = 0.01;
  CHECK(mld::agree_for_resume(saved, given) ==
        std::vector<std::string>{"optim.lr: the run has 0.0001, given 0.01"});
}

TEST_CASE("help lists every key from the table the parser uses") {
  const std::string all = mld::help_config();
  for (const mld::Key& key : mld::config_keys()) {
    check_contains(all, "  " + std::string(key.name) + " ");
    check_contains(all, std::string(key.meaning));
  }
  const std::string loss = mld::help_config("loss");
  check_contains(loss, "gamma_neg");
  CHECK(loss.find("batch_size") == std::string::npos);
  check_contains(mld::help_config("top"), "seed");
  CHECK_THROWS_AS(mld::help_config("los"), mld::UsageError);
}

TEST_CASE("the recipes in configs/ parse") {
  int count = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(mld::test::source_dir() + "/configs")) {
    CAPTURE(file.path());
    CHECK_NOTHROW(mld::load_config(file.path()));
    ++count;
  }
  CHECK(count >= 3);
}
