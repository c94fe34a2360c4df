"""main.py in safe mode: as after three boots that came to nothing."""

import main
from firmware.board import recovery

recovery.begun = recovery.safe_mode = True
main.board.leave(main.main())
