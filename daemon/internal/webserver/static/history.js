// A node's generations: times are told as people do.
import { tellTimes } from './api.js';

tellTimes();
