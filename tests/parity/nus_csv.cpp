// misc/nus_csv: NUS-WIDE's zero-shot rows and targets.
#include <algorithm>
#include <map>

#include "data/file.h"
#include "data/formats/csv.h"
#include "data/formats/open.h"
#include "tests/parity/fixture.h"
#include "tests/parity/kinds.h"

namespace mld::parity {

// The rows of a split and their targets, through data.format = "nus_wide".
void run_nus_csv(Fixture& fixture) {
  const std::string csv = elements(member(fixture.entry(), "companions")).at(0)->GetString();
  const LabelCsv list = parse_label_csv(read_text_file(fixture.dir() / csv, 1 << 20), csv);
  std::map<std::string, double> row_of;
  for (size_t i = 0; i < list.rows.size(); ++i) {
    row_of.emplace(list.rows[i].path, static_cast<double>(i));
  }
  DataOptions options;
  options.format = "nus_wide";
  options.root = fixture.dir();
  options.train = options.val = csv;
  for (const std::string split : {"train", "val"}) {
    const std::string ids = split == "train" ? "train_class_ids" : "test_class_ids";
    const auto data = open_dataset(options, split);
    const auto K = static_cast<int64_t>(data->class_names().size());
    std::vector<double> columns, rows, targets(static_cast<size_t>(data->size() * K));
    for (const std::string& name : data->class_names()) {
      columns.push_back(static_cast<double>(std::ranges::find(list.classes, name) -
                                            list.classes.begin()));
    }
    for (int64_t i = 0; i < data->size(); ++i) {
      rows.push_back(row_of.at(data->source(i)));
      for (const LabelEntry& entry : data->labels(i)) {
        targets[static_cast<size_t>(i * K + entry.column)] = entry.label == Label::present;
      }
    }
    fixture.compare(ids, {{K}, std::move(columns)});
    fixture.compare(fmt::format("{}_rows", split), {{data->size()}, std::move(rows)});
    fixture.compare(fmt::format("{}_targets", split), {{data->size(), K}, std::move(targets)});
  }
}

}  // namespace mld::parity
