"""What evaluations and experiments leave behind: tables, figures, pages."""
