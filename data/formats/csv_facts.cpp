#include "data/formats/csv_facts.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {

std::string plain_name(std::string_view text) {
  std::string plain = lower_case(text);
  std::erase_if(plain, [](char c) { return std::string_view(" \t\r\n_-.").find(c) !=
                                           std::string_view::npos; });
  return plain;
}

namespace {

constexpr std::array<KnownName, 5> kKnownNames = {{
    {" path paths filepath filepaths file files filename filenames fname image images imagepath "
     "imagename imagefile imagefilename imageid imageindex img imgs imgpath imgname imgfile imgid "
     "picture pictures photo photos ",
     CsvColumn::path, true},
    {" id ids name names uri ", CsvColumn::path, false},
    {" label labels class classes classname classnames labelname labelnames tag tags category "
     "categories categoryname categorynames findinglabels target targets attributes ",
     CsvColumn::labels, true},
    {" classid classids labelid labelids categoryid categoryids classindex classidx labelindex "
     "labelidx ",
     CsvColumn::labels, false},
    {" split splits splitname set subset partition phase usage datasplit fold isvalid isval "
     "isvalidation istest istrain ",
     CsvColumn::split, true},
}};

bool has_ending(std::string_view cell) {
  const size_t dot = cell.rfind('.');
  if (dot == std::string_view::npos || dot == 0) {
    return false;
  }
  const std::string_view ending = cell.substr(dot + 1);
  return ending.size() >= 2 && ending.size() <= 5 &&
         std::isalpha(static_cast<unsigned char>(ending[0])) != 0 &&
         std::all_of(ending.begin(), ending.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0; });
}

}  // namespace

const KnownName* known_name(std::string_view plain) {
  const std::string word = " " + std::string(plain) + " ";
  for (const KnownName& known : kKnownNames) {
    if (plain.size() > 1 && known.names.find(word) != std::string_view::npos) {
      return &known;
    }
  }
  return nullptr;
}

bool looks_like_path(std::string_view cell) {
  return has_ending(cell) || cell.find_first_of("/\\") != std::string_view::npos;
}

ColumnFacts facts_of(const std::vector<CsvRecord>& sample, size_t column) {
  ColumnFacts facts;
  size_t paths = 0, endings = 0, splits = 0;
  const size_t first = sample.size() > 1 ? 1 : 0, count = sample.size() - first;
  for (size_t i = first; i < sample.size(); ++i) {
    const std::string_view cell = trimmed(sample[i].fields[column]);
    paths += looks_like_path(cell);
    endings += has_ending(cell);
    splits += !split_of_word(cell).empty();
    if (indicator_value(cell)) {
      ++facts.indicators;
      facts.any_indicator = facts.any_indicator || !cell.empty();
    } else if (facts.odd_line == 0) {
      facts.odd_line = sample[i].line;
    }
  }
  facts.paths = 2 * paths >= count;
  facts.endings = 2 * endings >= count;
  facts.splits = splits == count;
  return facts;
}

std::optional<int> indicator_value(std::string_view cell) {
  const std::string plain = lower_case(trimmed(cell));
  if (plain.empty() || plain == "0" || plain == "0.0" || plain == "0." || plain == "false") {
    return 0;
  }
  if (plain == "1" || plain == "1.0" || plain == "1." || plain == "true") {
    return 1;
  }
  return plain == "-1" || plain == "-1.0" || plain == "-1." ? std::optional(-1) : std::nullopt;
}

std::string split_of_flag(std::string_view cell, std::string_view column) {
  const std::optional<int> yes = indicator_value(cell);
  const std::string named = split_of_word(column.substr(2));  // "isvalid" without "is"
  return trimmed(cell).empty() || !yes || *yes < 0 ? ""
         : *yes == 1                               ? named
         : named == "train"                        ? "val"
                                                   : "train";
}

}  // namespace mld
