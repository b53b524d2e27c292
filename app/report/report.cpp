// The page: its sections in order, and how it is made from run folders.
#include "app/report.h"

#include <filesystem>

#include "app/config_file.h"
#include "app/program.h"
#include "app/report/section.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = 8'000'000;    // of a page
constexpr size_t kTextBytes = 3'000'000;    // of that, kept for texts and plots
constexpr int64_t kPicturesOnDemand = 500;  // of a split, decoded for their sizes
constexpr int64_t kPicturesInRun = 100;

const ReportSection* const kSections[] = {
    &summary_section, &curves_section,     &data_section,   &metrics_section,
    &zero_shot_section, &comparison_section, &config_section, &log_section};

// What can be missing without making the report useless becomes a gap.
ReportRun read_run(const fs::path& root, std::vector<std::string>& gaps) {
  const RunFolder folder{root};
  require<DataError>(fs::exists(folder.config()), "{}: no run folder: it has no config.toml",
                     printable(root.native()));
  const std::string config = read_text_file(folder.config(), kMaxConfigBytes);
  ReportRun run{.folder = folder, .name = fs::absolute(root).lexically_normal().filename().native(),
                .config = parse_kept_config(config, folder.config().native()),
                .history = read_history(folder), .best = {}};
  if (run.name.empty()) {  // the path ends in a slash
    run.name = fs::absolute(root).lexically_normal().parent_path().filename().native();
  }
  try {
    run.best = read_kept_evaluation(run.folder);
  } catch (const DataError& error) {
    gaps.push_back(error.what());
  }
  return run;
}

// What was left out, and how the page was made.
void add_notes(const PictureBudget& pictures, const Slots& root) {
  if (pictures.left_out() > 0) {
    root.show("NOTE", "TEXT", fmt::format("Left out to keep this file below {} MB: {}.",
                                          kMostBytes / 1'000'000,
                                          counted(pictures.left_out(), "picture")));
  }
  root.show("NOTE", "TEXT", fmt::format("Written by mldecoder {}. This file needs no other, and no "
                                        "network.", kVersion));
}

std::string page(const ReportInput& input, size_t picture_bytes) {
  Document document("page.html");
  PictureBudget pictures(picture_bytes);
  Slots root = document.root();
  root.include("STYLE", "page.css");
  root.include("SCRIPT", "page.js");
  const std::string name =
      input.several() ? fmt::format("{} runs", input.runs.size()) : input.run().name;
  root.set("TITLE", name + " - mldecoder");
  root.set_name("NAME", name);
  const Slots nav = root.section("NAV");
  for (const ReportSection* section : kSections) {
    if (section->applies(input)) {
      const Slots shown = root.section("SECTION");
      for (Slots slots : {nav.section("LINK"), shown}) {
        slots.set("ID", section->id);
        slots.set("HEADING", section->heading);
      }
      section->fill(input, pictures, shown.include("BODY", section->file));
    }
  }
  add_notes(pictures, root);
  return document.html();
}

// Writes the report after every epoch. The data are looked at once.
class ReportSink : public LogSink {
 public:
  ReportSink(RunFolder folder, const Config& config, const Splits& splits)
      : folder_(std::move(folder)), config_(config), splits_(splits) {}

  void epoch(const EpochReport&) override try {
    if (!data_) {
      data_ = summarize(splits_, config_, kPicturesInRun);
    }
    std::vector<std::string> gaps;
    std::vector<ReportRun> runs;
    runs.push_back(read_run(folder_.root, gaps));
    write_file_atomically(folder_.report(),
                          report_page({std::move(runs), &*data_, std::move(gaps)}));
  } catch (const std::exception& error) {
    problem_ = fmt::format("{}: not written: {}", folder_.report().string(), error.what());
  }

 private:
  RunFolder folder_;
  const Config& config_;
  const Splits& splits_;
  std::optional<DataSummary> data_;
};

// The first run's data, if they are where they were. Errors that say they are not become a gap.
std::optional<DataSummary> look_at_data(const ReportRun& run, std::vector<std::string>& gaps) try {
  Config config = run.config.config;
  config.data.vectors.clear();  // large, and nothing here needs them
  return summarize(open_splits(data_options(config)), config, kPicturesOnDemand);
} catch (const Error& error) {
  gaps.push_back(fmt::format("Nothing about the data: {}", error.what()));
  return std::nullopt;
} catch (const fs::filesystem_error& error) {
  gaps.push_back(fmt::format("Nothing about the data: {}", error.what()));
  return std::nullopt;
}

}  // namespace

std::string report_page(const ReportInput& input) {
  const size_t pictures = kMostBytes - kTextBytes;
  std::string text = page(input, pictures);
  if (text.size() > kMostBytes) {  // long texts: fewer pictures
    const size_t excess = text.size() - kMostBytes;
    text = page(input, pictures > excess ? pictures - excess : 0);
  }
  return text;
}

ExitCode write_report(const ReportCommand& command) {
  std::vector<std::string> gaps;
  std::vector<ReportRun> runs;
  for (const std::string& run : command.runs) {
    runs.push_back(read_run(run, gaps));
  }
  const bool several = runs.size() > 1;
  const std::optional<DataSummary> data =
      several ? std::nullopt : look_at_data(runs.front(), gaps);
  const RunFolder first = runs.front().folder;
  const fs::path out = !command.out.empty() ? fs::path(command.out)
                       : several            ? first.comparison()
                                            : first.report();
  write_file_atomically(
      out, report_page({std::move(runs), data ? &*data : nullptr, std::move(gaps)}));
  print(stdout, "{}\n", printable(out.native()));
  return ExitCode::ok;
}

void add_report(RunLog& log, const RunFolder& folder, const Config& config, const Splits& splits) {
  log.add(std::make_unique<ReportSink>(folder, config, splits));
}

}  // namespace mld
