// report.html as the programs write it: while training, and by `mltrain report`.
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <rapidjson/document.h>

#include <algorithm>

#include "app/report/kept_evaluation.h"
#include "tests/page_check.h"
#include "tests/program.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/kept_scores.h"
#include "train/thresholds.h"

namespace {

using namespace mld::test;

// The report of a folder, written anew.
std::string report_of(const fs::path& run, const TemporaryFolder& folder) {
  const Program program("mltrain", {"report", run.string(), "--out",
                                    (folder.path() / "page.html").string()}, folder);
  REQUIRE(program.wait() == 0);
  CHECK(program.out() == (folder.path() / "page.html").string() + "\n");
  return read_file(folder.path() / "page.html");
}

bool has_section(const std::string& page, const std::string& id) {
  return page.find("<section id=\"" + id + "\"") != std::string::npos;
}

}  // namespace

TEST_CASE("training writes report.html; mltrain report writes it again, and one of several runs") {
  const TemporaryFolder folder;
  const fs::path& run = trained_run();
  const std::string page = read_file(run / "report.html");
  for (const char* id : {"summary", "curves", "data", "metrics", "config", "log"}) {
    CAPTURE(id);
    CHECK(has_section(page, id));
  }
  CHECK_FALSE(has_section(page, "zero-shot"));
  CHECK(contains(page, "3 of 3 epochs"));
  CHECK(contains(page, "aria-label=\"Loss in training\""));
  CHECK(contains(page, "aria-label=\"mAP on val, percent\""));
  CHECK(contains(page, "Training picture: "));
  CHECK(contains(report_of(run, folder), "3 of 3 epochs"));

  fs::copy(run, folder.path() / "second", fs::copy_options::recursive);
  const Program both("mltrain", {"report", run.string(), (folder.path() / "second/").string(),
                                 "--out", (folder.path() / "both.html").string()}, folder);
  REQUIRE(both.wait() == 0);
  const std::string two = read_file(folder.path() / "both.html");
  CHECK(contains(two, "<td class=\"number\">+0.00</td>"));
  CHECK(contains(two, "second, averaged weights"));
}

TEST_CASE("scores of the best weights are kept, and show classes and single pictures") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  fs::copy(trained_run(), run, fs::copy_options::recursive);
  for (const std::string& page : {read_file(run / "report.html"), report_of(run, folder)}) {
    for (const char* id : {"classes", "scores", "errors", "label-errors"}) {
      CAPTURE(id);
      CHECK(has_section(page, id));
    }
    CHECK(contains(page, "alt=\"shapes:val:"));
  }
  // They are of the weights that metrics.json is of, and of those that eval scores.
  const mld::RunFolder files{run};
  const mld::KeptScores kept = mld::load_scores(files.scores("val"));
  const std::vector<std::string> names(36);
  const auto map = mld::read_kept_evaluation(files)->metric("mAP");
  CHECK(mld::evaluate(kept.scores, names, false).metric("mAP") ==
        doctest::Approx(map.value()).epsilon(1e-6));
  fs::remove(files.scores("val"));
  CHECK(contains(report_of(run, folder), "--keep-scores"));
  const auto eval = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"eval", run.string(), "--keep-scores"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Program("mlinfer", arguments, folder).wait();
  };
  REQUIRE(eval({}) == 0);
  const mld::KeptScores again = mld::load_scores(files.scores("val"));
  CHECK(again.weights == kept.weights);
  CHECK(again.scores.fingerprint == kept.scores.fingerprint);
  CHECK(again.scores.targets == kept.scores.targets);
  for (size_t i = 0; i < kept.scores.scores.size(); ++i) {
    REQUIRE(again.scores.scores[i] == doctest::Approx(kept.scores.scores[i]).epsilon(1e-4));
  }
  REQUIRE(eval({"--split", "train"}) == 0);
  const std::string page = report_of(run, folder);
  CHECK(contains(page, "<h3>train: "));
  CHECK(contains(page, "alt=\"shapes:train:"));

  // Other data than was scored.
  std::string config = read_file(run / "config.toml");
  const size_t at = config.find("\nval_size = 32");
  REQUIRE(at != std::string::npos);
  config.replace(at, 14, "\nval_size = 31");
  write_file(run / "config.toml", config);
  const std::string other = report_of(run, folder);
  CHECK(contains(other, "No pictures of val: its pictures or labels are not those that were"));
  CHECK(contains(other, "mlinfer eval " + run.string() + " --split val --keep-scores"));
  CHECK(has_section(other, "errors"));
  write_file(files.scores("val"), "damaged");
  CHECK(contains(report_of(run, folder), "val/scores.safetensors"));

  fs::copy_file(run / "weights/best.safetensors", folder.path() / "alone.safetensors");
  const Program alone("mlinfer", {"eval", (folder.path() / "alone.safetensors").string(),
                                  "--keep-scores"}, folder);
  CHECK(alone.wait() == 2);
  CHECK(contains(alone.err(), "lies in no run folder"));
}

TEST_CASE("what is kept is of the best weights, on the run's own data and settings") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  fs::copy(trained_run(), run, fs::copy_options::recursive);
  const mld::RunFolder files{run};
  const std::string kept = read_file(files.scores("val"));
  const auto refused = [&](std::vector<std::string> arguments, int code, const std::string& why) {
    arguments.insert(arguments.begin(), "eval");
    arguments.push_back("--keep-scores");
    const Program program("mlinfer", arguments, folder);
    CHECK(program.wait() == code);
    CHECK(contains(program.err(), why));
    CHECK(program.out().empty());
    CHECK(read_file(files.scores("val")) == kept);
  };
  refused({last(run).string()}, 2, "give the run folder, " + run.string());
  refused({run.string(), "--data", run.string()}, 2, "leave out --data");
  refused({run.string(), "data.val_size=10"}, 2, "leave out data.val_size=10");
  write_file(run / "train", "in the way");
  refused({run.string(), "--split", "train"}, 3, "/train: not a folder that can be written to");
  fs::remove(run / "train");
  {
    const mld::FolderLock training(run);
    refused({run.string()}, 3, "a run that is training keeps the scores of val itself");
  }
  REQUIRE(mld::test::run("mlinfer", {"eval", run.string(), "--keep-scores", "threads=1"},
                         folder) == 0);

  // Scores of other weights, or of more pictures, are not shown beside metrics.json.
  mld::KeptScores scores = mld::load_scores(files.scores("val"));
  mld::save_scores(files.scores("val"), scores.scores, {scores.weights.step - 1, "raw"});
  std::string page = report_of(run, folder);
  CHECK(contains(page, "the kept scores are of the raw weights after update"));
  CHECK_FALSE(has_section(page, "scores"));
  std::string metrics = read_file(files.metrics());
  metrics.replace(metrics.find("\"samples\": 32"), 13, "\"samples\": 31");
  write_file(files.metrics(), metrics);
  mld::save_scores(files.scores("val"), scores.scores, scores.weights);
  page = report_of(run, folder);
  CHECK(contains(page, "is of 31 pictures, the kept scores are of 32 pictures"));
  CHECK_FALSE(has_section(page, "errors"));
  // So are metrics that are not of the weights' file.
  metrics.replace(metrics.find("\"step\": "), 8, "\"step\": 9");
  write_file(files.metrics(), metrics);
  page = report_of(run, folder);
  CHECK(contains(page, "weights/best.safetensors has the "));
}

TEST_CASE("thresholds are those of the weights' file, and what is measured at them") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  fs::copy(trained_run(), run, fs::copy_options::recursive);
  CHECK(contains(report_of(run, folder), "own threshold, which was fitted on val"));
  REQUIRE(mld::test::run("mlinfer", {"thresholds", run.string(), "--precision", "0.9"},
                         folder) == 0);
  const std::string page = report_of(run, folder);
  CHECK(contains(page, "which the weights&#39; file has from mlinfer thresholds"));
  const std::string table = page.substr(page.find("<section id=\"classes\""));
  const auto fitted = mld::read_checkpoint_info(run).thresholds;
  const auto never = static_cast<size_t>(std::ranges::count(fitted, mld::kNever));
  REQUIRE(never > 0);
  CHECK(count(table.substr(0, table.find("</section>")), ">never<") == never);
  fs::remove(mld::RunFolder{run}.scores("val"));
  CHECK(contains(report_of(run, folder), "as training fitted it on val; the weights&#39; file"));
}

TEST_CASE("a report's place is looked at before the work, and takes no other file's") {
  const TemporaryFolder folder;
  const fs::path& run = trained_run();
  const auto refused = [&](const std::string& out, const std::string& why) {
    const Program program("mltrain", {"report", run.string(), "--out", out}, folder);
    CHECK(program.wait() == 2);
    CHECK(contains(program.err(), why));
  };
  refused("", "report: --out: expected the name of the page");
  refused(folder.path().string(), "is a folder; give the name of a page");
  refused((folder.path() / "none/page.html").string(), "report: --out: there is no folder");
  const std::string config = read_file(run / "config.toml");
  refused((run / "config.toml").string(), "is there, and no page of ours");
  refused((run / "weights/best.safetensors").string(), "is there, and no page of ours");
  CHECK(read_file(run / "config.toml") == config);
  write_file(folder.path() / "page.html", "");
  report_of(run, folder);
  report_of(run, folder);  // over a page of ours
}

TEST_CASE("attention: mltrain report looks with the best weights, the run itself does not") {
  const TemporaryFolder folder;
  const fs::path& run = trained_run();
  const std::string within = read_file(run / "report.html");
  CHECK(has_section(within, "attention"));
  CHECK(contains(within, "<code>mltrain report RUN</code> adds pictures"));
  CHECK(count(within, "<figure class=\"card overlay\">") == 0);
  const std::string page = report_of(run, folder);
  CHECK(count(page, "<code>mltrain report RUN</code> adds pictures") == 0);
  const size_t cards = count(page, "<figure class=\"card overlay\">");
  CHECK(cards > 4);
  CHECK(cards <= 24);
  // Of 36 classes the six with the worst AP and the six with the best, the worst first.
  std::vector<double> aps;
  for (size_t at = page.find("</bdi>, AP "); at != std::string::npos;
       at = page.find("</bdi>, AP ", at + 1)) {
    aps.push_back(std::stod(page.substr(at + 11)));
  }
  CHECK(aps.size() == 12);
  CHECK(std::ranges::is_sorted(aps));
  rapidjson::Document metrics;
  metrics.Parse(read_file(run / "val/metrics.json").c_str());
  std::vector<double> all;
  for (const auto& one : metrics["per_class"].GetArray()) {
    if (one["positives"].GetInt() > 0) {
      all.push_back(one["ap"].GetDouble());
    }
  }
  std::ranges::sort(all);
  REQUIRE(all.size() > 12);
  CHECK(aps[5] == doctest::Approx(all[5]).epsilon(0.01));
  CHECK(aps[6] == doctest::Approx(all[all.size() - 6]).epsilon(0.01));
  CHECK(contains(page, "the mean\nof 8 heads"));
  // Each label has a map, which looks at something: shapes fill parts of their pictures.
  CHECK(count(page, " mapped\">") == count(page, "alt=\"Where the model looks for "));
  CHECK(count(page, " mapped\">") >= cards);
  CHECK(count(page, "val:") >= cards);  // the pictures' names

  fs::copy(run, folder.path() / "second", fs::copy_options::recursive);
  fs::remove_all(folder.path() / "second/weights");
  const std::string without = report_of(folder.path() / "second", folder);
  CHECK(contains(without, "Nothing about attention: "));
  CHECK(has_section(without, "data"));
}

TEST_CASE("a run folder that lacks things gets a report that says so") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  fs::create_directories(run);
  fs::copy_file(trained_run() / "config.toml", run / "config.toml");
  std::string page = report_of(run, folder);
  CHECK(contains(page, "not validated yet"));
  CHECK(contains(page, "results.csv"));
  CHECK_FALSE(has_section(page, "curves"));
  CHECK_FALSE(has_section(page, "metrics"));
  // Before the first validation, and a row that a kill left.
  folder.write("run/results.csv", "epoch,step,loss,lr,metric,val_raw,val_ema,best,seconds\n"
                                  "1,6,2.5,0.001,mAP,,,-1,3.5\n2,1");
  folder.write("run/val/metrics.json", "{");
  page = report_of(run, folder);
  CHECK(contains(page, "results.csv:3: not a complete row"));
  CHECK(contains(page, "metrics.json: not a JSON object"));
  CHECK(contains(page, "1 of 3 epochs"));
}

TEST_CASE("runs of one label a picture, of unseen classes, and without a report") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  REQUIRE(mld::test::run("mltrain",
              {source_dir() + "/configs/shapes_zero_shot.toml", "model.backbone=" + kTinyBackbone,
               "data.image_size=32", "data.train_size=64", "data.val_size=32",
               "model.embed_dim=32", "train.epochs=1", "train.batch_size=16", "threads=2",
               "--out", run.string(), "--quiet"}, folder) == 0);
  const std::string page = read_file(run / "report.html");
  CHECK(has_section(page, "zero-shot"));
  CHECK(has_section(page, "scores"));
  CHECK(contains(page, "<td>unseen</td>"));
  CHECK(contains(page, "Unseen classes, 9"));
  CHECK(contains(page, "Seen classes, 27"));

  for (int i = 0; i < 16; ++i) {
    folder.write_picture(fmt::format("data/{}/{}/{}.ppm", i < 8 ? "train" : "val",
                                     i % 2 == 0 ? "<i>a" : "b", i), 15 * i);
  }
  const fs::path single = folder.path() / "single";
  const std::vector<std::string> arguments = {
      "model.backbone=" + kTinyBackbone, "data.root=" + (folder.path() / "data").string(),
      "data.image_size=32", "task=single-label", "loss.name=ce", "train.best_metric=top1",
      "model.head=gap", "train.epochs=1", "train.batch_size=4", "threads=2"};
  folder.write("c.toml", "");
  std::vector<std::string> training = {(folder.path() / "c.toml").string(), "--out",
                                       single.string(), "--quiet"};
  training.insert(training.end(), arguments.begin(), arguments.end());
  REQUIRE(mld::test::run("mltrain", training, folder) == 0);
  const std::string labels = read_file(single / "report.html");
  CHECK(contains(labels, "top1"));
  CHECK(has_section(labels, "confusion"));
  CHECK(contains(labels, "&lt;i&gt;a"));
  CHECK(labels.find("<i>a") == std::string::npos);

  // Of several epochs with augmentation, dropout and an average: the same bytes without reports.
  const fs::path none = folder.path() / "none";
  REQUIRE(mld::test::run("mltrain", tiny_run(none, {"--no-report"}), folder) == 0);
  CHECK_FALSE(fs::exists(none / "report.html"));
  for (const char* file : {"last.safetensors", "best.safetensors", "last.state.safetensors"}) {
    CAPTURE(file);
    CHECK(read_file(trained_run() / "weights" / file) == read_file(none / "weights" / file));
  }
}

TEST_CASE("a report that cannot be written is a warning; what is no run is an error") {
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run";
  fs::copy(trained_run(), run, fs::copy_options::recursive);
  fs::remove(run / "report.html");
  fs::create_directories(run / "report.html/in the way");
  const Program resumed("mltrain", {"--resume", run.string(), "train.epochs=4", "--quiet"}, folder);
  CHECK(resumed.wait() == 0);
  CHECK(contains(resumed.err(), "report.html: not written: "));
  CHECK(lines_of(run / "results.csv").size() == 5);  // the header and four epochs
  const std::string page = report_of(run, folder);
  CHECK(contains(page, ">resumed</bdi>"));
  CHECK(contains(page, "4 of 4 epochs"));

  const Program program("mltrain", {"report", (folder.path() / "nothing").string()}, folder);
  CHECK(program.wait() == 3);
  CHECK(contains(program.err(), "no run folder: it has no config.toml"));
  const Program none("mltrain", {"report"}, folder);
  CHECK(none.wait() == 2);
  CHECK(contains(none.err(), "report: no run folder given"));
}
