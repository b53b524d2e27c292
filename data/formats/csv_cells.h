// Cells that hold labels, as spreadsheets, pandas, NumPy and JSON write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mld {

// A cell as read before the label separator is known.
struct LabelCell {
  bool list = false;               // has quotes, or commas in brackets: `labels` is final
  std::vector<std::string> labels;
  std::string text;                // if not a list: the cell without brackets
  bool bracketed = false;          // `text` stood in brackets
};

// Reads [a, b], ['a', "b"], ('a',), {'a', 'b'}, set(), ["a", "\u00e9"], 'a', 'b', and printouts
// such as array(['a', 'b'], dtype='<U5'), [np.str_('a')] and ['a' 'b'] over several lines; in
// brackets without quotes only commas separate. `where` starts messages.
// Errors: DataError for a quoted list that cannot be read or that leaves labels out ("...").
LabelCell parse_label_cell(std::string_view cell, const std::string& where);

// The labels of `text`: split at `separator` (" " is any run of blanks and line breaks; "" does not
// split), blanks and quotes around them dropped, empty ones left out.
std::vector<std::string> split_labels(std::string_view text, std::string_view separator);

}  // namespace mld
