"""`python -m timers.cli`"""

import sys

from timers.cli.main import main

sys.exit(main())
