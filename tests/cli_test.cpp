// The command lines of both programs: the grammar, the help, the messages.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include "app/cli.h"
#include "core/error.h"
#include "tests/paths.h"

namespace {

using Arguments = std::vector<std::string>;

template <class Command>
Command train(const Arguments& arguments) {
  const mld::MltrainCommand command = mld::parse_mltrain(arguments);
  REQUIRE(std::holds_alternative<Command>(command));
  return std::get<Command>(command);
}

template <class Command>
Command infer(const Arguments& arguments) {
  const mld::MlinferCommand command = mld::parse_mlinfer(arguments);
  REQUIRE(std::holds_alternative<Command>(command));
  return std::get<Command>(command);
}

template <class Parse>
std::string error_of(Parse&& parse, const Arguments& arguments) {
  try {
    parse(arguments);
  } catch (const mld::UsageError& error) {
    CHECK(error.code() == mld::ExitCode::usage);
    return error.what();
  }
  return "accepted";
}

std::string train_error(const Arguments& arguments) {
  return error_of(mld::parse_mltrain, arguments);
}
std::string infer_error(const Arguments& arguments) {
  return error_of(mld::parse_mlinfer, arguments);
}

void check_contains(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("mltrain: training") {
  const auto plain = train<mld::TrainCommand>({"a.toml"});
  CHECK(plain.config == "a.toml");
  CHECK(plain.overrides.empty());
  CHECK(plain.resume.empty());
  CHECK_FALSE(plain.overwrite);
  const auto full = train<mld::TrainCommand>({"--quiet", "runs/lr=1/config.toml", "optim.lr=0.1",
                                              "--out", "there", "optim.betas=[0.9,0.99]",
                                              "--device=cuda:1", "--overwrite", "--print-config"});
  CHECK(full.config == "runs/lr=1/config.toml");
  CHECK(full.overrides ==
        Arguments{"optim.lr=0.1", "optim.betas=[0.9,0.99]", "device=cuda:1"});
  CHECK(full.out == "there");
  CHECK(full.overwrite);
  CHECK(full.print_config);
  CHECK(full.quiet);
  const auto resumed = train<mld::TrainCommand>({"--resume", "runs/a", "data.workers=1"});
  CHECK(resumed.config.empty());
  CHECK(resumed.resume == "runs/a");
  CHECK(resumed.overrides == Arguments{"data.workers=1"});
  CHECK(train<mld::TrainCommand>({"--", "-odd.toml"}).config == "-odd.toml");
}

TEST_CASE("mltrain: check and shapes-export") {
  const auto check = train<mld::CheckCommand>({"check", "a.toml", "data.workers=2"});
  CHECK(check.config == "a.toml");
  CHECK(check.overrides == Arguments{"data.workers=2"});
  const auto shapes =
      train<mld::ShapesExportCommand>({"shapes-export", "dir", "train=7", "seed=3", "jpeg=true",
                                       "image_size=96", "val=2", "test=1", "jpeg_quality=80"});
  CHECK(shapes.folder == "dir");
  CHECK(shapes.options.train == 7);
  CHECK(shapes.options.val == 2);
  CHECK(shapes.options.test == 1);
  CHECK(shapes.options.seed == 3);
  CHECK(shapes.options.image_size == 96);
  CHECK(shapes.options.jpeg);
  CHECK(shapes.options.jpeg_quality == 80);
  check_contains(train_error({"shapes-export", "dir", "sed=3"}), "did you mean 'seed'?");
  check_contains(train_error({"shapes-export", "dir", "seed=3x"}), "expected an integer");
  check_contains(train_error({"shapes-export", "dir", "image_size=8"}), "from 16 to 4096");
  check_contains(train_error({"shapes-export", "dir", "jpeg=yes"}), "true or false");
  check_contains(train_error({"shapes-export"}), "no folder given");
  check_contains(train_error({"check"}), "no config given");
}

TEST_CASE("help and version are text, not exits") {
  const std::string help = train<mld::PrintText>({"--help"}).text;
  for (const std::string part : {"--resume DIR", "--out DIR", "--device", "--overwrite",
                                 "--print-config", "--quiet", "check CONFIG.toml",
                                 "shapes-export DIR", "--help-config [SECTION]", "--version"}) {
    check_contains(help, part);
  }
  CHECK(train<mld::PrintText>({"check", "--help"}).text == help);
  const std::string infer_help = infer<mld::PrintText>({"-h"}).text;
  for (const std::string part : {"--data", "--split", "--json", "--csv", "--top-k", "--threshold",
                                 "--model", "--head", "--classes", "--image-size"}) {
    check_contains(infer_help, part);
  }
  CHECK(train<mld::PrintText>({"--version"}).text == "mltrain 0.1.0\n");
  CHECK(infer<mld::PrintText>({"--version"}).text == "mlinfer 0.1.0\n");
  std::ifstream cmake(std::filesystem::path(mld::test::source_dir()) / "CMakeLists.txt");
  check_contains({std::istreambuf_iterator<char>(cmake), {}},
                 "VERSION " + std::string(mld::kVersion) + " ");
  check_contains(train<mld::PrintText>({"--help-config"}).text, "[optim]");
  const std::string loss = train<mld::PrintText>({"--help-config", "loss"}).text;
  check_contains(loss, "gamma_neg");
  CHECK(loss.find("[optim]") == std::string::npos);
}

TEST_CASE("mltrain init") {
  const auto init = train<mld::InitCommand>(
      {"init", "pets", "seed=3", "--from", "w.safetensors", "--out", "a.toml"});
  CHECK(init.folder == "pets");
  CHECK(init.overrides == std::vector<std::string>{"seed=3"});
  CHECK(init.from == "w.safetensors");
  CHECK(init.out == "a.toml");
  check_contains(train_error({"init"}), "init: no folder given");
  check_contains(train_error({"inti", "pets"}), "unknown command 'inti', did you mean 'init'?");
  check_contains(train_error({"init", "pets", "--form", "w"}), "did you mean '--from'?");
}

TEST_CASE("mltrain: mistakes") {
  check_contains(train_error({}), "no config given");
  check_contains(train_error({"a.toml", "--resum", "x"}),
                 "unknown option --resum, did you mean '--resume'?");
  check_contains(train_error({"a.toml", "--overwrit=1"}), "did you mean '--overwrite'?");
  check_contains(train_error({"chek", "a.toml"}), "unknown command 'chek', did you mean 'check'?");
  check_contains(train_error({"a.toml", "b.toml"}), "unexpected argument 'b.toml'");
  check_contains(train_error({"a.toml", "--out"}), "--out");
  check_contains(train_error({"--help-config", "los"}), "unknown config section 'los'");
  check_contains(train_error({"--resume", "a", "--overwrite"}), "give one");
  check_contains(train_error({"--resume", "a", "--out", "b"}), "remove --out");
}

TEST_CASE("mlinfer: eval, predict, info") {
  const auto eval = infer<mld::EvalCommand>(
      {"eval", "c.safetensors", "--data", "dir", "--split", "test", "--json", "data.format=voc"});
  CHECK(eval.checkpoint == "c.safetensors");
  CHECK(eval.data == "dir");
  CHECK(eval.split == "test");
  CHECK(eval.json);
  CHECK(eval.overrides == Arguments{"data.format=voc"});
  CHECK(infer<mld::EvalCommand>({"eval", "c"}).split == "val");
  CHECK_FALSE(eval.keep_scores);
  CHECK(infer<mld::EvalCommand>({"eval", "c", "--keep-scores", "--split", "train"}).keep_scores);
  check_contains(infer_error({"eval", "c", "--keep-scores", "--split", "test"}), "train and val");

  const auto thresholds = infer<mld::ThresholdsCommand>(
      {"thresholds", "c", "--precision", "0.9", "--data", "dir", "--split", "test", "--json"});
  CHECK(thresholds.checkpoint == "c");
  CHECK(thresholds.data == "dir");
  CHECK(thresholds.split == "test");
  CHECK(thresholds.json);
  CHECK(*thresholds.precision == 0.9);
  CHECK_FALSE(infer<mld::ThresholdsCommand>({"thresholds", "c"}).precision.has_value());

  const auto predict = infer<mld::PredictCommand>(
      {"predict", "c", "a=b.jpg", "dir", "[x]", "--top-k", "3", "--threshold", "0.25", "--csv"});
  CHECK(predict.pictures == Arguments{"a=b.jpg", "dir", "[x]"});
  CHECK(*predict.top_k == 3);
  CHECK(*predict.threshold == 0.25);
  CHECK(predict.csv);
  CHECK_FALSE(infer<mld::PredictCommand>({"predict", "c", "p"}).top_k.has_value());
  CHECK(predict.device == "auto");
  CHECK(predict.precision == mld::DType::f32);
  const auto narrow = infer<mld::PredictCommand>(
      {"predict", "c", "p", "--device", "cuda:1", "--precision", "bf16"});
  CHECK(narrow.device == "cuda:1");
  CHECK(narrow.precision == mld::DType::bf16);
  CHECK(infer<mld::EvalCommand>({"eval", "c", "--precision", "bf16", "--device", "cuda"})
            .overrides == Arguments{"device=cuda", "train.precision=bf16"});
  check_contains(infer_error({"predict", "c", "p", "--precision", "f16"}), "--precision");
  check_contains(infer_error({"eval", "c", "--precision", "f16"}), "--precision");
  CHECK(infer<mld::PredictCommand>({"predict", "c", "--", "-x.jpg"}).pictures ==
        Arguments{"-x.jpg"});
  CHECK(infer<mld::PredictCommand>({"predict", "c", "\xff.jpg"}).pictures ==
        Arguments{"\xff.jpg"});

  CHECK(infer<mld::InfoCommand>({"info", "c"}).checkpoint == "c");
  CHECK(infer<mld::InfoCommand>({"info", "c", "--stages"}).stages);
  const auto info = infer<mld::InfoCommand>({"info", "--model", "resnet50", "--head", "gap",
                                             "--classes", "1000", "--image-size", "224"});
  CHECK(info.model == "resnet50");
  CHECK(info.head == "gap");
  CHECK(info.classes == 1000);
  CHECK(info.image_size == 224);
}

TEST_CASE("mlinfer: attention") {
  const auto plain = infer<mld::AttentionCommand>({"attention", "c", "p.jpg"});
  CHECK(plain.pictures == Arguments{"p.jpg"});
  CHECK_FALSE(plain.asked.given);
  CHECK_FALSE(plain.head.has_value());
  // A label may look like anything, and the picture may stand anywhere.
  const auto full = infer<mld::AttentionCommand>(
      {"attention", "c", "--label", "a, b", "--label=c=d", "p.jpg", "--head", "3", "--out", "m.png",
       "--opacity", "0.25", "--size", "300", "--device", "cpu", "--json"});
  CHECK(full.pictures == Arguments{"p.jpg"});
  CHECK(full.asked.names == Arguments{"a, b", "c=d"});
  CHECK(full.asked.given);
  CHECK(*full.head == 3);
  CHECK(full.out == "m.png");
  CHECK(full.opacity == 0.25);
  CHECK(full.size == 300);
  CHECK(full.json);
  CHECK_FALSE(infer<mld::AttentionCommand>({"attention", "c", "p", "--head", "mean"}).head);
  check_contains(infer_error({"attention"}), "attention: no checkpoint given");
  check_contains(infer_error({"attention", "c"}), "no pictures given");
  check_contains(infer_error({"attention", "c", "p", "q"}), "'q' is a second one");
  for (const char* head : {"-1", "1.5", "all", ""}) {
    check_contains(infer_error({"attention", "c", "p", std::string("--head=") + head}), "--head");
  }
  check_contains(infer_error({"attention", "c", "p", "--opacity", "nan"}),
                 "--opacity must be a number from 0 to 1, got nan");
  check_contains(infer_error({"attention", "c", "p", "--threshold", "2"}),
                 "attention: --threshold must be a score from 0 to 1, got 2");
  check_contains(infer_error({"attention", "c", "p", "--label", "a", "--top-k", "2"}),
                 "with --label these are chosen");
  check_contains(infer_error({"attention", "c", "p", "--size", "0"}), "--size");
  check_contains(infer_error({"attention", "c", "p", "--csv"}), "unknown option --csv");
}

TEST_CASE("mlinfer: mistakes") {
  check_contains(infer_error({}), "no command given");
  check_contains(infer_error({"evl"}), "unknown command 'evl', did you mean 'eval'?");
  check_contains(infer_error({"--evil"}), "unknown option --evil");
  check_contains(infer_error({"eval"}), "no checkpoint given");
  check_contains(infer_error({"eval", "c", "--split", "dev"}), "--split");
  check_contains(infer_error({"eval", "c", "--josn"}), "did you mean '--json'?");
  check_contains(infer_error({"thresholds"}), "thresholds: no checkpoint given");
  for (const std::string value : {"0", "1.01", "-0.5", "nan"}) {
    check_contains(infer_error({"thresholds", "c", "--precision", value}),
                   "--precision must be above 0 and at most 1, got " + value);
  }
  check_contains(infer_error({"predict", "c"}), "no pictures given");
  check_contains(infer_error({"predict", "c", "p", "--labels", "a", "--labels-file", "f"}),
                 "--labels or --labels-file, not both");
  check_contains(infer_error({"predict", "c", "p", "--labels-file", ""}), "the name of a file");
  for (const char* prompt : {"a photo", "{} and {}"}) {
    check_contains(infer_error({"predict", "c", "p", "--prompt", prompt}), "must have one {}");
  }
  check_contains(infer_error({"search", "c", "p"}), "give --query TEXT");
  check_contains(infer_error({"search", "c", "p", "--query", "a", "--top-k", "0"}), "--top-k");
  check_contains(infer_error({"search", "c", "p", "--query", "a", "--threshold", "0.5"}),
                 "--threshold");
  const auto search = infer<mld::SearchCommand>({"search", "c", "p", "--query", "a, b"});
  CHECK(search.asked.labels == "a, b");
  CHECK(search.top_k == 20);
  check_contains(infer_error({"predict", "c", "p", "--json", "--csv"}), "not both");
  check_contains(infer_error({"predict", "c", "p", "--top-k", "0"}), "--top-k");
  check_contains(infer_error({"predict", "c", "p", "--top-k", "many"}), "--top-k");
  for (const std::string value : {"1.01", "-0.01", "inf", "nan"}) {
    check_contains(infer_error({"predict", "c", "p", "--threshold", value}),
                   "predict: --threshold must be a score from 0 to 1, got " + value);
  }
  check_contains(infer_error({"predict", "c", "p", "--threshold", "half"}), "--threshold");
  check_contains(infer_error({"eval", "c", "--threshold", "0.3"}), "unknown option --threshold");
  check_contains(infer_error({"info"}), "give a checkpoint or --model NAME");
  check_contains(infer_error({"info", "c", "--model", "resnet50"}), "not both");
  check_contains(infer_error({"info", "c", "--classes", "3"}), "--classes needs --model NAME");
}
