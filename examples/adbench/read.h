// The input files of ADBench (github.com/microsoft/ADBench, data/): decimal text in white space, read into tensors of f64.
//
// Refuses files that end early, that hold something other than numbers, or whose counts are no counts: the error names the file.
#pragma once

#include <string>

#include "tenon/examples/adbench/ba.h"
#include "tenon/examples/adbench/gmm.h"
#include "tenon/examples/adbench/hand.h"
#include "tenon/examples/adbench/lstm.h"

namespace adbench {

// Where the files are unless somebody says otherwise: shared/data/adbench beside the checkout.
std::string default_folder();

struct GmmFile {
  GmmParams params;
  GmmData data;
};
GmmFile read_gmm(const std::string& path);

struct LstmFile {
  LstmParams params;
  LstmData data;
};
LstmFile read_lstm(const std::string& path);

// The file holds one of each, which all are.
struct BaFile {
  BaParams params;
  BaData data;
};
BaFile read_ba(const std::string& path);

struct HandFile {
  Tensor theta;  // [26]
  Tensor where;  // [n, 2], of the complicated problem
  HandData data;
};
HandFile read_hand(const std::string& model_folder, const std::string& path, bool complicated);

}  // namespace adbench
