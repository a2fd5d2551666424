// Every expansion of a transcendental row of the op table, over any scalar handle with the names of ir/kernel/scalar.h.
#pragma once

#include "tenon/ir/math/activation.h"
#include "tenon/ir/math/bessel.h"
#include "tenon/ir/math/erf.h"
#include "tenon/ir/math/exp.h"
#include "tenon/ir/math/gamma.h"
#include "tenon/ir/math/hyperbolic.h"
#include "tenon/ir/math/inverse_erf.h"
#include "tenon/ir/math/inverse_hyperbolic.h"
#include "tenon/ir/math/inverse_trig.h"
#include "tenon/ir/math/log.h"
#include "tenon/ir/math/log_of_sum.h"
#include "tenon/ir/math/pow.h"
#include "tenon/ir/math/root.h"
#include "tenon/ir/math/trig.h"
